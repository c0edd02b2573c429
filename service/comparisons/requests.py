"""What requests of comparisons may say."""

from evoselect.spec.comparison import ComparisonSpec
from evoselect.spec.fields import Id, ShortText
from service.http.fields import JobRequest, Version, example


class ComparisonRequest(JobRequest, ComparisonSpec):
    """Which method to use for this target, pool, model and size, or whether a random draw is as good."""

    model_config = example(
        target_id="tgt_01jd8x00000000000000000000",
        evaluation_target_id="tgt_01jd8x00000000000000000001",
        pool_id="pool_01jd8x00000000000000000000",
        k=1,
        arms=["random", "capacity"],
    )

    target_id: Id
    """What the arms select for."""
    evaluation_target_id: Id | None = None
    """What the models are measured on; null takes what was kept apart from the target."""
    pool_id: Id
    """The pool that the arms select from."""
    pool_version: Version | None = None
    """The version of the pool; null takes the newest."""
    base_model: ShortText | None = None
    """Alias of a base model or id of an adapter to train; null takes the operator's default."""

    def full_spec(self) -> ComparisonSpec:
        """The settings alone."""
        return ComparisonSpec(**{name: getattr(self, name) for name in ComparisonSpec.model_fields})
