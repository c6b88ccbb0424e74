-- An order is money coming in: an amount below zero was booked wrongly. Each row here is one such order.
select order_id, customer_id, amount_eur
from {{ ref('stg_orders') }}
where amount_eur < 0
