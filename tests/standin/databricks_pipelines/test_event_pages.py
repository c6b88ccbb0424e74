"""The list of events of the stand-in's pipelines: filters, orders, pages and their tokens."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from airflow_provider_pipehooks.standin import Plan
from airflow_provider_pipehooks.standin.databricks_pipelines.event_log import Row, Series
from tests.standin.databricks_pipelines.conftest import Api, refusal

BASE = "2026-11-28T02:30:{:02}.5Z"
LEVELS = ("INFO", "WARN", "ERROR", "METRICS")


def script(count: int) -> list[dict[str, Any]]:
    """One event a second, their levels in turn, three updates in turn."""
    return [
        {
            "id": f"e{number}",
            "timestamp": f"2026-11-28T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.5Z",
            "level": LEVELS[number % 4],
            "origin": {"update_id": f"u{number % 3}"},
        }
        for number in range(count)
    ]


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [int(each["id"][1:]) for each in events]


def walk(api: Api, pipeline_id: str, **params: Any) -> list[list[int]]:
    """The pages from the first to the last, by their tokens."""
    pages, size = [], {"max_results": params["max_results"]} if "max_results" in params else {}
    events, rest = api.page(pipeline_id, **params)
    pages.append(numbers(events))
    while "next_page_token" in rest:
        events, rest = api.page(pipeline_id, page_token=rest["next_page_token"], **size)
        pages.append(numbers(events))
    return pages


# --- size and order ---------------------------------------------------------------------------------


def test_events_come_newest_first_in_pages_of_100(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(events=script(250))
    pages = walk(api, pipeline_id)
    assert [len(page) for page in pages] == [100, 100, 50]
    assert [*chain(*pages)] == [*range(249, -1, -1)]


@pytest.mark.parametrize(("size", "count"), [(1, 1), (1000, 1000), (5000, 1000), (0, 100)])
def test_a_page_has_up_to_1000_events(api: Api, size: int, count: int) -> None:
    pipeline_id = api.world.add_pipeline(events=script(1001))
    events, rest = api.page(pipeline_id, max_results=size)
    assert (len(events), "next_page_token" in rest) == (count, True)


@pytest.mark.parametrize("order", ["timestamp asc", "timestamp desc", "TIMESTAMP ASC", "timestamp   desc"])
def test_events_are_ordered_by_time_either_way_on_all_pages(api: Api, order: str) -> None:
    pipeline_id = api.world.add_pipeline(events=script(25))
    expected = [*range(25)] if "asc" in order.lower() else [*range(24, -1, -1)]
    pages = walk(api, pipeline_id, order_by=order, max_results=10)
    assert [*chain(*pages)] == expected
    assert [len(page) for page in pages] == [10, 10, 5]


def test_an_empty_log_is_an_empty_answer(api: Api) -> None:
    assert api.get(f"/{api.world.add_pipeline()}/events") == {}


def test_parameters_may_come_as_a_json_body(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(events=script(5))
    sent = {"order_by": ["timestamp asc"], "max_results": 2}
    assert numbers(api.ask("GET", f"/{pipeline_id}/events", json=sent).json()["events"]) == [0, 1]


# --- filters ----------------------------------------------------------------------------------------

FILTERS = [
    ("level='ERROR'", [2, 6, 10]),
    ("level = 'INFO'", [0, 4, 8]),
    ("level in ('ERROR', 'WARN')", [1, 2, 5, 6, 9, 10]),
    ("level IN('METRICS')", [3, 7, 11]),
    ("level='NONE'", []),
    ("id='e7'", [7]),
    ("id in ('e7','e2','nothing')", [2, 7]),
    ("update_id = 'u1'", [1, 4, 7, 10]),
    ("update_id in ('u1', 'u2') and level='ERROR'", [2, 10]),
    (f"timestamp > '{BASE.format(9)}'", [10, 11]),
    (f"timestamp>='{BASE.format(9)}'", [9, 10, 11]),
    (f"timestamp < '{BASE.format(2)}'", [0, 1]),
    (f"timestamp <= '{BASE.format(2)}'", [0, 1, 2]),
    (f"timestamp = '{BASE.format(2)}'", [2]),
    ("timestamp = '2026-11-28T02:30:02.500000000Z'", [2]),
    ("timestamp = '2026-11-28T03:30:02.5+01:00'", [2]),
    ("timestamp > '2026-11-28T02:30:09.500001Z'", [10, 11]),
    ("timestamp >= '2026-11-28T02:30:09.499999Z'", [9, 10, 11]),
    (f"timestamp > '{BASE.format(3)}' AND timestamp <= '{BASE.format(6)}'", [4, 5, 6]),
    (f"timestamp > '{BASE.format(6)}' AND timestamp < '{BASE.format(3)}'", []),
    (f"update_id = 'u2' AND timestamp >= '{BASE.format(5)}' AND level in ('WARN','ERROR')", [5]),
    (f"timestamp > '{BASE.format(9)}' AND timestamp >= '{BASE.format(3)}'", [10, 11]),
    (f"timestamp < '{BASE.format(2)}' AND timestamp <= '{BASE.format(6)}'", [0, 1]),
    ("level='ERROR' AND level='INFO'", []),
    ("level in ('ERROR','INFO') AND level in ('INFO','WARN')", [0, 4, 8]),
]


@pytest.mark.parametrize(("text", "found"), FILTERS)
def test_a_filter_selects_by_time_id_update_and_level(api: Api, text: str, found: list[int]) -> None:
    events = [{**each, "timestamp": BASE.format(number)} for number, each in enumerate(script(12))]
    pipeline_id = api.world.add_pipeline(events=events)
    assert numbers(api.events(pipeline_id, filter=text)) == found
    assert numbers(api.page(pipeline_id, filter=text)[0]) == found[::-1]


def test_a_quote_in_a_filter_is_doubled(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(events=[{"id": "it's"}, {"id": "its"}])
    assert [each["id"] for each in api.events(pipeline_id, filter="id='it''s'")] == ["it's"]


NOT_ALLOWED = [
    ("event_type='update_progress'", "Operation '=' not allowed on 'event_type'"),
    ("level='INFO' AND message = 'x'", "Operation '=' not allowed on 'message'"),
    ("origin.update_id='u'", "Operation '=' not allowed on 'origin.update_id'"),
    ("maturity_level in ('STABLE')", "Operation 'in' not allowed on 'maturity_level'"),
    ("sequence > 5", "Operation '>' not allowed on 'sequence'"),
    ("message LIKE 'x%'", "Operation 'LIKE' not allowed on 'message'"),
    ("id > 'a'", "Operation '>' not allowed on 'id'"),
    ("level != 'INFO'", "Operation '!=' not allowed on 'level'"),
    ("timestamp in ('2026-01-01T00:00:00Z')", "Operation 'in' not allowed on 'timestamp'"),
]


@pytest.mark.parametrize(("text", "message"), NOT_ALLOWED)
def test_a_filter_by_anything_else_is_not_allowed(api: Api, text: str, message: str) -> None:
    path = f"/{api.world.add_pipeline(events=script(2))}/events"
    answer = refusal(api.ask("GET", path, params={"filter": text}))
    assert answer == (400, "INVALID_PARAMETER_VALUE", message)


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "nonsense"},
        {"filter": "level"},
        {"filter": "level=INFO"},
        {"filter": 'level="INFO"'},
        {"filter": "level='INFO"},
        {"filter": "level in 'INFO'"},
        {"filter": "level in ()"},
        {"filter": "level = ('INFO')"},
        {"filter": "level='INFO' OR level='WARN'"},
        {"filter": "level='INFO' AND"},
        {"filter": "level='INFO', level='WARN'"},
        {"filter": "timestamp > 'yesterday'"},
        {"order_by": "id asc"},
        {"order_by": "timestamp"},
        {"order_by": '["timestamp asc"]'},
        {"order_by": ["timestamp asc", "timestamp desc"]},
        {"max_results": -1},
        {"max_results": "many"},
        {"page_token": "nonsense"},
        {"page_token": "bm9uc2Vuc2U"},
    ],
    ids=str,
)
def test_the_list_of_events_refuses_bad_parameters(api: Api, params: dict[str, Any]) -> None:
    path = f"/{api.world.add_pipeline(events=script(2))}/events"
    assert refusal(api.ask("GET", path, params=params))[:2] == (400, "INVALID_PARAMETER_VALUE")


# --- pages ------------------------------------------------------------------------------------------

EITHER = "You can provide a page token or specify {}, but not both."


@pytest.mark.parametrize(
    ("params", "what"),
    [({"filter": "level='INFO'"}, "a filter"), ({"order_by": "timestamp asc"}, "an ordering")],
)
def test_a_token_comes_alone_or_with_a_size(api: Api, params: dict[str, Any], what: str) -> None:
    pipeline_id = api.world.add_pipeline(events=script(8))
    _, rest = api.page(pipeline_id, max_results=1, **params)
    response = api.ask(
        "GET", f"/{pipeline_id}/events", params={"page_token": rest["next_page_token"], **params}
    )
    assert refusal(response) == (400, "INVALID_PARAMETER_VALUE", EITHER.format(what))


def test_a_token_keeps_filter_and_order_and_takes_another_size(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(events=script(40))
    _, rest = api.page(pipeline_id, filter="level='ERROR'", order_by="timestamp asc", max_results=2)
    events, _ = api.page(pipeline_id, page_token=rest["next_page_token"], max_results=3)
    assert numbers(events) == [10, 14, 18]


@pytest.mark.parametrize(
    "params", [{}, {"order_by": "timestamp asc"}, {"filter": "level in ('INFO','WARN')"}]
)
def test_pages_lead_back_to_the_one_before(api: Api, params: dict[str, Any]) -> None:
    pipeline_id = api.world.add_pipeline(events=script(30))
    first, rest = api.page(pipeline_id, max_results=4, **params)
    assert "prev_page_token" not in rest
    second, rest = api.page(pipeline_id, page_token=rest["next_page_token"], max_results=4)
    third, rest = api.page(pipeline_id, page_token=rest["next_page_token"], max_results=4)
    back, rest = api.page(pipeline_id, page_token=rest["prev_page_token"], max_results=4)
    assert back == second
    assert api.page(pipeline_id, page_token=rest["next_page_token"], max_results=4)[0] == third
    again, rest = api.page(pipeline_id, page_token=rest["prev_page_token"], max_results=4)
    assert again == first
    assert "prev_page_token" not in rest


def test_new_events_do_not_move_what_a_token_stands_for(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(events=script(10))
    _, rest = api.page(pipeline_id, max_results=3)
    api.world.emit(pipeline_id, {"id": "e99"})
    api.world.emit(pipeline_id, {"id": "e98"}, at="2026-11-28T00:00:05.9Z")
    events, _ = api.page(pipeline_id, page_token=rest["next_page_token"], max_results=3)
    assert numbers(events) == [6, 98, 5]


def test_a_token_of_another_pipeline_or_list_is_invalid(api: Api) -> None:
    mine, other = api.world.add_pipeline(events=script(4)), api.world.add_pipeline(events=script(4))
    _, rest = api.page(mine, max_results=1)
    listed = api.get(max_results=1)["next_page_token"]
    for path, token in ((f"/{other}/events", rest["next_page_token"]), (f"/{mine}/events", listed)):
        response = api.ask("GET", path, params={"page_token": token})
        assert refusal(response) == (400, "INVALID_PARAMETER_VALUE", "Invalid page token")


def test_pages_may_be_short_and_lead_on_all_the_same(api: Api) -> None:
    api.world.short_pages = 3
    pipeline_id = api.world.add_pipeline(events=script(8))
    assert walk(api, pipeline_id, max_results=100) == [[7, 6, 5], [4, 3, 2], [1, 0]]
    assert walk(api, pipeline_id, max_results=2)[0] == [7, 6]


@pytest.mark.parametrize("life", [0, 1, 2])
def test_a_token_lives_for_so_many_requests_for_events(api: Api, life: int) -> None:
    api.world.token_life = life
    pipeline_id = api.world.add_pipeline(events=script(8))
    other = api.world.add_pipeline()
    _, rest = api.page(pipeline_id, max_results=1)
    statuses = []
    for _ in range(3):
        api.events(other)
        params = {"page_token": rest["next_page_token"]}
        response = api.ask("GET", f"/{pipeline_id}/events", params=params)
        statuses.append(response.status_code)
    assert statuses == [200] * life + [400] * (3 - life)
    assert refusal(response) == (400, "INVALID_PARAMETER_VALUE", "Invalid page token")


# --- speed ------------------------------------------------------------------------------------------

SPARING: list[tuple[dict[str, Any], int]] = [
    ({"max_results": 1000}, 1001),
    ({"max_results": 10, "order_by": "timestamp asc"}, 11),
    ({"max_results": 10, "filter": "timestamp > '2026-11-28T00:20:00Z'"}, 11),
    ({"max_results": 10, "filter": "update_id = 'rare'"}, 5),
    ({"max_results": 10, "filter": "level in ('ERROR', 'WARN')"}, 13),
    ({"max_results": 10, "filter": "level = 'INFO' AND id = 'e1000'"}, 1),
    ({"max_results": 10, "filter": "id = 'e1000' AND level = 'INFO'"}, 1),
]


@pytest.mark.parametrize(("params", "most"), SPARING, ids=str)
def test_a_page_of_a_long_log_is_found_without_looking_at_the_rest(
    api: Api, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], most: int
) -> None:
    """Fifty thousand events took a few milliseconds a page; two thousand show the same here."""
    rare = [{"id": f"e{number}", "origin": {"update_id": "rare"}} for number in range(90_000, 90_005)]
    pipeline_id = api.world.add_pipeline(events=[*script(2000), *rare])
    looked: list[Row] = []
    between = Series.between

    def noted(series: Series, low: Any, high: Any, *, falling: bool) -> Iterator[Row]:
        for row in between(series, low, high, falling=falling):
            looked.append(row)
            yield row

    monkeypatch.setattr(Series, "between", noted)
    api.page(pipeline_id, **params)
    assert 0 < len(looked) <= most


def test_reading_events_of_a_running_update_sees_each_exactly_once(api: Api) -> None:
    """The recipe of clients: from the last time on, what was seen already left out."""
    pipeline_id = api.world.add_pipeline(plan=Plan(seconds=10), flows=("a", "b", "c"))
    update_id = api.start(pipeline_id)
    seen: dict[str, dict[str, Any]] = {}
    since = "2000-01-01T00:00:00Z"
    for _ in range(30):
        text = f"update_id = '{update_id}' AND timestamp >= '{since}'"
        for event in api.events(pipeline_id, filter=text):
            seen.setdefault(event["id"], event)
            since = event["timestamp"]
        api.now_s += 0.5
    assert list(seen.values()) == api.events(pipeline_id)
    assert len(seen) == 1 + 1 + 5 + 6 + 1 + 9 + 1 + 3
