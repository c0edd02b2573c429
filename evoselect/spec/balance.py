"""How the budget is shared among groups of candidates."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from evoselect.spec.fields import Bounded, Members, Real, ShortText, Text, Whole

MAX_GROUPS = 1000
EXTRA = "extra."

Parts = Annotated[dict[ShortText, Annotated[int, Whole(0)]], Members(MAX_GROUPS)]
Shares = Annotated[dict[ShortText, Annotated[float, Real(gt=0.0, le=1e6)]], Members(MAX_GROUPS, low=1)]


class Balance(Bounded):
    """Bounds on what is selected of each group, in rows, or in tokens where the budget is in tokens."""

    by: Annotated[str, Text(1, 256, printable=True)]
    """`group`, or `extra.NAME`: what the groups are named by."""
    shares: Shares | None = None
    """Of every group that the candidates have; only the ratios matter."""
    min: Parts = Field(default={})
    """What a group has at least."""
    max: Parts = Field(default={})
    """What a group has at most; groups that are not named have no bound."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.by != "group" and (not self.by.startswith(EXTRA) or self.by == EXTRA):
            raise ValueError(f"by is {self.by!r:.80}: name group, or a column as extra.NAME")
        if (self.shares is None) == (not self.min and not self.max):
            raise ValueError("send shares, or min, max or both")
        for name in self.min.keys() & self.max.keys():
            if self.min[name] > self.max[name]:
                raise ValueError(f"min of {name!r:.80} is {self.min[name]} and max is {self.max[name]}")
        return self
