"""What a node hook is given: ``data``, ``parent_data`` and ``callback_data``, with Bamboo's methods."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


class Values(dict[str, Any]):
    """A dict whose keys are attributes too, as Bamboo's: ``data.inputs.mode``."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"There is no value named {name!r}, only {sorted(self)}.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        self.pop(name, None)


class NodeData:
    """Inputs and outputs of a node; names and answers are those of Bamboo's ``DataObject``.

    :param inputs: the operator's arguments, rendered, and the params; of the parent: conf and params.
    :param outputs: what was pushed to XCom, by key. Of the parent: empty, a DAG run has none.
    """

    def __init__(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> None:
        self.inputs = Values(inputs)
        self.outputs = Values(outputs or {})

    def get_inputs(self) -> Values:
        return self.inputs

    def get_outputs(self) -> Values:
        return self.outputs

    def get_one_of_inputs(self, key: str, default: Any = None) -> Any:
        return self.inputs.get(key, default)

    def get_one_of_outputs(self, key: str, default: Any = None) -> Any:
        return self.outputs.get(key, default)

    def set_outputs(self, key: str, value: Any) -> bool:
        """Set one output; it is pushed to XCom when the hook returns, unless the hook is read-only."""
        self.outputs[key] = value
        return True

    def update_outputs(self, values: Mapping[str, Any]) -> None:
        self.outputs.update(values)

    def reset_outputs(self, outputs: Mapping[str, Any]) -> bool:
        """Replace what hooks see as outputs; what is in XCom already stays there."""
        self.outputs = Values(outputs)
        return True

    def inputs_copy(self) -> Values:
        return copy.deepcopy(self.inputs)

    def outputs_copy(self) -> Values:
        return copy.deepcopy(self.outputs)

    def detached(self) -> NodeData:
        """The same values, for a hook whose changes are discarded."""
        return NodeData(self.inputs, self.outputs)


@dataclass(frozen=True)
class CallbackData:
    """What ended a wait.

    :param data: the trigger's event, or the human's answer.
    """

    data: Any


def new_keys(outputs: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """What is new or another object. Not compared by value: a data frame has no answer to that."""
    return [key for key, value in outputs.items() if key not in known or known[key] is not value]


def inputs_of(task: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an operator as they are now, and the params; an argument hides a param of its name."""
    arguments: dict[str, Any] = {}
    for name in _argument_names(task):
        # Some operators keep an argument as a property, which may fail.
        with suppress(Exception):
            arguments[name] = getattr(task, name)
    return {**context.get("params", {}), **arguments}


def parent_inputs_of(task: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """The DAG run's conf, and the DAG's params with the values they have in this run."""
    params = context.get("params", {})
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    return {**conf, **{name: params[name] for name in task.dag.params if name in params}}


def _argument_names(task: Any) -> Iterator[str]:
    """What the classes below Airflow's own bases take. Operators keep an argument under its name."""
    for kind in type(task).__mro__:
        if kind.__module__.startswith("airflow.sdk.bases."):
            break
        if "__init__" in vars(kind):
            for parameter in list(inspect.signature(vars(kind)["__init__"]).parameters.values())[1:]:
                if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                    yield parameter.name
    yield from task.template_fields
