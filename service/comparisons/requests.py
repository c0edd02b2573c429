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
    evaluation_target_id: Id | None = None
    pool_id: Id
    pool_version: Version | None = None
    base_model: ShortText | None = None

    def full_spec(self) -> ComparisonSpec:
        """The settings alone."""
        return ComparisonSpec(**{name: getattr(self, name) for name in ComparisonSpec.model_fields})
