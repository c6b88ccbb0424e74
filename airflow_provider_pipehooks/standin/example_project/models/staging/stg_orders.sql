-- Late orders come from another system, and some of them have a negative amount.
select order_id, customer_id, order_date, amount_eur
from {{ ref('raw_orders') }}
{% if var('bad_rows') %}
union all
select order_id, customer_id, order_date, amount_eur
from {{ ref('raw_orders_late') }}
{% endif %}
