"""What is done about candidates that nearly repeat one another, or what they will be judged by."""

from typing import Annotated, Literal

from pydantic import Field

from evoselect.spec.fields import Bounded, Flag, Id, Members, Real

THRESHOLD = 0.7
Action = Literal["flag", "drop"]


class NearCopies(Bounded):
    """Settings of the search for near-copies; what is flagged may be selected all the same."""

    against: Annotated[list[Id], Members(20)] = Field(default=[])
    """Targets, such as evaluation sets, that candidates should not repeat, beside the selection's own."""
    leaks: Action = "flag"
    """Candidates that nearly repeat an example of those, or share a run of 13 words with one."""
    within: Action = "flag"
    """Candidates that nearly repeat each other; of those the first stays."""
    threshold: Annotated[float, Real(ge=0.5, le=1.0)] = THRESHOLD
    """Share of their words, the rarer the weightier, that two texts have in common to be near-copies."""
    same_text: Flag = False
    """Whether texts that differ in case, white space and Unicode form alone are one content."""
