"""What users call and note something by, to be changed later."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

from evoselect_client.core.calls import KEY, Call, segment
from evoselect_client.core.nouns import Nouns
from evoselect_client.core.resource import Bound
from evoselect_client.core.steps import Mode, Same, Steps, Verb
from evoselect_client.errors import BadInputError

BoundT = TypeVar("BoundT", bound=Bound[Any])


class Labelled(Bound[Mode]):
    """A resource with a name and metadata."""

    @Same
    def update(self, *, name: str | None = None, metadata: Mapping[str, str] | None = None) -> Steps[Any]:
        """It with another name, other metadata or both; "" takes the name away."""
        return (yield from self._noun.update.steps(self.id, name=name, metadata=metadata))


class LabelledNouns(Nouns[BoundT, Mode]):
    """Resources that have a name and metadata."""

    @Verb
    def update(
        self, id: str, *, name: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Steps[BoundT]:
        """Change its name, its metadata or both.

        What is left out stays; "" takes the name away, and `metadata` takes the place of all pairs of before.
        """
        body: dict[str, Any] = {} if name is None else {"name": name or None}
        if metadata is not None:
            body["metadata"] = dict(metadata)
        if not body:
            raise BadInputError(f"update({id!r:.60}) changes nothing: send name, metadata or both")
        headers = {KEY: str(uuid.uuid4())}
        path = f"{self.path}/{segment(id)}"
        return (yield from self.session.send(Call("PATCH", path, self._decode, json=body, headers=headers)))
