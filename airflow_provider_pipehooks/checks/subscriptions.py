"""Who hears a topic. SNS takes a message for a topic that nobody hears as it takes any other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from airflow_provider_pipehooks.checks.findings import Finding, ok, warning, wrong

#: A team's topic has a handful; of more only what is the matter is worth a line each.
_SHOWN = 20
_MAILS = ("email", "email-json")


def subscription_findings(arn: str, rows: Sequence[Mapping[str, str]]) -> Iterator[Finding]:
    """Who hears a topic, and who does not yet.

    :param rows: of ListSubscriptionsByTopic (SNS API 2010-03-31), all pages:
        ``{"SubscriptionArn": an ARN, "PendingConfirmation" or "Deleted", "Protocol": str, "Endpoint": str}``.
    """
    if not rows:
        yield wrong("subscriptions", f"Nobody hears this topic: it has none. {_how_to_subscribe(arn)}")
        return
    found = [_subscription(arn, row) for row in rows]
    count = Counter(finding.state for finding in found)
    well = [finding for finding in found if finding.state == "ok"]
    yield from (finding for finding in found if finding.state != "ok")
    yield from well[:_SHOWN]
    if not well:
        yield wrong(
            "subscriptions",
            f"Nobody hears this topic: of its {len(rows):,} none works. Confirm one, or subscribe again.",
        )
    elif count["ok"] > _SHOWN:
        yield ok("subscriptions", f"{count['ok']:,} of {len(rows):,} are confirmed; {_SHOWN} are shown.")


def _subscription(arn: str, row: Mapping[str, str]) -> Finding:
    protocol, state = row.get("Protocol", "?"), row.get("SubscriptionArn", "")
    what = f"subscription {protocol} {shown_endpoint(protocol, row.get('Endpoint', ''))}"
    if arn.endswith(".fifo") and protocol in _MAILS:
        return wrong(what, "A FIFO topic sends no mail: this one hears nothing. Use a standard topic.")
    if state == "PendingConfirmation":
        who = "the link in AWS's mail is opened" if protocol in _MAILS else "the endpoint has confirmed it"
        return warning(
            what, f"Not confirmed: it hears nothing until {who}. It runs out: then subscribe again."
        )
    if state == "Deleted":
        return warning(what, f"Deleted: it hears nothing any more. {_how_to_subscribe(arn)}")
    return ok(what, "Confirmed.")


def shown_endpoint(protocol: str, endpoint: str) -> str:
    """Enough to know whose it is, without what is private: ``m***@example.com``, ``+***4567``, a host."""
    if protocol in _MAILS:
        local, at, domain = endpoint.rpartition("@")
        return f"{local[:1]}***{at}{domain}" if at else "***"
    if protocol == "sms":
        return f"+***{re.sub(r'[^0-9]', '', endpoint)[-4:]}"
    if protocol in ("http", "https"):
        # The path of a paging service's address is its key.
        return f"{protocol}://{urlsplit(endpoint).netloc.rpartition('@')[2]}/***"
    return endpoint


def _how_to_subscribe(arn: str) -> str:
    if arn.endswith(".fifo"):
        return "A FIFO topic takes queues (SQS) only, no mail: for mails use a standard topic."
    return f"aws sns subscribe --topic-arn {arn} --protocol email --notification-endpoint YOU@example.com"
