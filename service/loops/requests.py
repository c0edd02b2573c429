"""What requests of loops may say."""

from evoselect.spec.fields import Flag, Id, ShortText
from evoselect.spec.loop import LoopSpec
from service.data.requests import BatchRequest
from service.http.fields import CHAT, QUESTION, JobRequest, example


class LoopRequest(JobRequest, LoopSpec):
    """Rounds of generate, select, train and evaluate."""

    model_config = example(
        target_id="tgt_01jd8x00000000000000000000",
        evaluation_target_id="tgt_01jd8x00000000000000000001",
        generator={"kind": "push"},
        k=64,
    )

    target_id: Id
    """What the rounds select for."""
    evaluation_target_id: Id | None = None
    """What the models are measured on; null takes what was kept apart from the target."""
    base_model: ShortText | None = None
    """Alias of a base model or id of an adapter to start from; null takes the operator's default."""

    def full_spec(self) -> LoopSpec:
        """The settings alone."""
        return LoopSpec(**{name: getattr(self, name) for name in LoopSpec.model_fields})


class CandidatesRequest(BatchRequest):
    """Candidates of one round; with `more` the round waits for further batches."""

    model_config = example(records=[QUESTION, CHAT], client_batch_id="round-1", more=False)

    more: Flag = False
    """Whether further batches of this round are to come; with false the round goes on."""
