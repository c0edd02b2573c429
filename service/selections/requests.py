"""What a request for a selection may say."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from evoselect.spec.features import FeatureSpec
from evoselect.spec.fields import Bounded, Id, Members, Real, Seed, ShortText, Whole
from evoselect.spec.selection import METHODS, Method, SelectionSpec
from service.http.fields import CHAT, QUESTION, JobRequest, Records, Version, exactly_one, example

Ratio = Annotated[float, Real(gt=0.0, le=1.0)]


class FeatureFiles(Bounded):
    """Matrices of the user's in the order of the records: .npy, .safetensors or .parquet files."""

    target: Id
    pool: Id


class SelectionRequest(JobRequest):
    """Which candidates of a pool are wanted for a target, and how many."""

    model_config = example(target=[QUESTION], candidates=[QUESTION, CHAT], k=1, method="capacity", seed=7)

    target_id: Id | None = None
    target: Records | None = None
    pool_id: Id | None = None
    candidates: Records | None = None
    pool_version: Version | None = None
    k: Annotated[int, Whole(1)] | None = None
    ratio: Ratio | None = None
    method: Method | None = None
    spec: SelectionSpec = SelectionSpec()
    features: FeatureSpec = FeatureSpec()
    feature_files: FeatureFiles | None = None
    model: ShortText | None = None
    seed: Seed = 0
    exclude_selection_ids: Annotated[list[Id], Members(100)] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def _method_of_the_spec(cls, given: Any) -> Any:
        """`method` is short for `spec.method`, and the spec is checked with it."""
        if not isinstance(given, dict) or given.get("method") not in METHODS:
            return given
        spec = given.get("spec", {})
        return {**given, "spec": {"method": given["method"], **spec}} if isinstance(spec, dict) else given

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        exactly_one(target_id=self.target_id, target=self.target)
        exactly_one(pool_id=self.pool_id, candidates=self.candidates)
        exactly_one(k=self.k, ratio=self.ratio)
        if self.pool_version is not None and self.pool_id is None:
            raise ValueError("pool_version needs pool_id: inline candidates have no versions")
        if (self.features.kind == "provided") != (self.feature_files is not None):
            raise ValueError(
                f"features.kind is {self.features.kind!r} and feature_files is "
                f"{'given' if self.feature_files else 'missing'}: feature_files belong to kind 'provided'"
            )
        if self.features.checkpoints and self.model is not None:
            raise ValueError(f"model is {self.model!r} and features.checkpoints name models too: send one")
        if self.method and self.method != self.spec.method:
            raise ValueError(f"method is {self.method!r} but spec.method is {self.spec.method!r}: send one")
        return self
