"""The arguments of the command, for ``pipehooks check`` and for ``airflow pipehooks check``. Data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HELP = "try the connections and the way of an alert: topic, subscriptions, outbox, receivers, rules"

#: Flag -> what argparse is told of it.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "--target-arn": {"help": "the topic; the Variable sns_arn if not given"},
    "--aws-conn-id": {
        "default": "aws_default",
        "help": "the login to AWS (aws_default); '' for the machine's own",
    },
    "--conn-id": {
        "action": "extend",
        "nargs": "+",
        "metavar": "ID",
        "help": "the connections to dbt Cloud and Databricks; all that can be found if none is given",
    },
    "--send-test": {"action": "store_true", "help": "publish one message to the topic"},
    "--json": {"action": "store_true", "help": 'print [{"what", "state", "text"}, ...]'},
}
