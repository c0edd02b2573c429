"""What a selection is asked to do: the part of a request that changes the answer."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["capacity", "random", "mean_cosine", "round_robin"]
METHODS: tuple[str, ...] = get_args(Method)


class SelectionSpec(BaseModel):
    """Settings of one selection; the defaults are the recommended ones.

    ``lambda`` and ``epsilon`` act on the solvers only; costs are ``1 - cosine``, so both are in units of
    cosine.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, validate_by_alias=True, allow_inf_nan=False
    )

    method: Method = "capacity"
    lam: float = Field(default=0.05, ge=0.0, le=100.0, alias="lambda")
    """Weight of the redundancy term: the cost that one exact twin in the selection adds to a candidate."""
    epsilon: float = Field(default=0.002, ge=1e-4, le=10.0)
    """Entropic smoothing that the annealing ends with: 0.002 is exact transport, larger averages over
    targets.
    """
    tolerance: float = Field(default=1e-3, gt=0.0, le=0.1)
    """Stop when this share of the mass (or less) still violates a constraint."""
    max_iterations: int = Field(default=2_000, ge=1, le=1_000_000)
