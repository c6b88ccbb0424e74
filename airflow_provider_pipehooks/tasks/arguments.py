"""What operators and sensors are given: checked when the DAG is parsed, read when the task runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_pipehooks.core.arguments import Reader, is_literal


class ReadsArguments:
    """Mixed into operators and sensors, which say of what kind each argument is."""

    #: How each argument is read. None always stands for "not given".
    readers: ClassVar[Mapping[str, Reader]]

    if TYPE_CHECKING:
        task_id: str
        template_ext: Sequence[str]

    def check_literals(self) -> None:
        """Refuse a wrong argument when the DAG is parsed, as far as it is known by then.

        :raises ConfigurationError: says which, and what it should be.
        """
        for name in self.readers:
            if self.is_known(name):
                self.argument(name)

    def is_known(self, name: str) -> bool:
        """Whether an argument is by now what it will be when the task runs."""
        return is_literal(getattr(self, name), tuple(self.template_ext))

    def argument(self, name: str) -> Any:
        """An argument as what it stands for; None where it was not given.

        :raises ConfigurationError: it is not of its kind.
        """
        value = getattr(self, name)
        return None if value is None else self.readers[name](value, self.name_of(name))

    def name_of(self, name: str) -> str:
        """An argument as messages name it."""
        return f"{name} of task {self.task_id!r}"


class HasBody(ReadsArguments):
    """Mixed into operators whose call has a body: given as ``json``, by name, or both."""

    #: Keys of the body, which may be given by name, too.
    body_fields: ClassVar[Mapping[str, Reader]]

    def body(self) -> dict[str, Any]:
        """``json`` with the named parameters over it; a copy, so that a retry renders the originals."""
        merged: dict[str, Any] = self.argument("json") or {}
        for name, read in self.body_fields.items():
            if (named := self.argument(name)) is not None:
                merged[name] = named
            elif merged.get(name) is not None:
                merged[name] = read(merged[name], f'json["{name}"] of task {self.task_id!r}')
        return merged

    def check_literals(self) -> None:
        super().check_literals()
        if all(self.is_known(name) for name in ("json", *self.body_fields)):
            self.check_body(self.body())

    def check_body(self, body: Mapping[str, Any]) -> None:
        """Refuse what cannot be together, or is missing.

        :raises ConfigurationError: says which.
        """
