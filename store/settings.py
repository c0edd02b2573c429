"""Every setting of the service and the workers, read from EVOSELECT_* variables."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, AliasGenerator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from store.kit import egress

PREFIX = "EVOSELECT_"
INSTANCE_HEADER = "X-EvoSelect-Instance"  # of /readyz: whose API it is that answers
ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.-]+(:\d{1,5})?")
FORMER = {
    "lease_seconds": "LEASE",
    "heartbeat_seconds": "HEARTBEAT",
    "sweep_seconds": "SWEEP",
    "relay_seconds": "RELAY",
    "notify_again_seconds": "REKICK",
    "poll_seconds": "POLL",
    "shutdown_seconds": "SHUTDOWN",
    "retry_delay_seconds": "RETRY_DELAY",
    "job_deadline_seconds": "JOB_DEADLINE",
    "retention_seconds": "RETENTION",
    "orphan_age_seconds": "ORPHAN_AGE",
    "checkpoint_seconds": "CHECKPOINT",
}  # variables without a unit in their names, which deployments may still set
WINDOW_BLOCKS = 4  # sorting more rows would save little padding; a shard is at least so many blocks


def _networks(text: str) -> str:
    egress.networks(text)
    return text


def _origins(text: str) -> str:
    bad = [one for one in text.split(",") if one.strip() and not ORIGIN.fullmatch(one.strip())]
    if bad:
        raise ValueError(f"{bad[0].strip()!r:.80} is no origin: write https://host, https://host:port or *")
    return text


def _variables(field: str) -> AliasChoices:
    """The variables that a setting is read from; the first one that is set counts."""
    names = [field.upper(), *([FORMER[field]] if field in FORMER else [])]
    return AliasChoices(*(PREFIX + name for name in names))


class Settings(BaseSettings):
    """One frozen value per process; each name ends in the unit of its value."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_ignore_empty=True,
        env_prefix=PREFIX,  # of fields by their names: without it a shell's HOME would be the data directory
        alias_generator=AliasGenerator(validation_alias=_variables),
        populate_by_name=True,
    )

    home: Path = Path("~/.evoselect").expanduser()
    """Data directory of embedded mode, and of caches that may be deleted."""
    database_url: str = ""
    """postgresql+psycopg://...; empty means that embedded mode starts a server of its own."""
    redis_url: str = ""
    """redis://... of Redis or Valkey; empty means that embedded mode starts one."""
    artifacts_url: str = ""
    """fsspec URL of the artifact store, such as file:///data or s3://bucket/prefix."""
    key_pepper: SecretStr = SecretStr("")
    """Secret mixed into the digests of API keys; embedded mode generates one."""

    lease_seconds: float = Field(60.0, gt=0)
    """How long a claimed shard belongs to a silent worker before another may take it."""
    heartbeat_seconds: float = Field(5.0, gt=0)
    """How often a busy worker renews its lease; also the longest wait before it sees a cancel."""
    sweep_seconds: float = Field(10.0, gt=0)
    """How often lost shards are looked for."""
    relay_seconds: float = Field(0.1, gt=0)
    """How often the outbox is published."""
    notify_again_seconds: float = Field(30.0, gt=0)
    """Where a ready shard waits for so long, its workers are notified again."""
    poll_seconds: float = Field(5.0, gt=0)
    """How often an idle worker polls the database, notified or not."""
    shutdown_seconds: float = Field(8.0, gt=0)
    """How long a worker that is asked to end may go on before it gives its shard back."""
    niceness: int | None = Field(None, ge=0, le=19)
    """How far computing workers step back behind other processes: 10 in embedded mode, else 0."""
    compute_processes: int | None = Field(None, ge=1, le=64)
    """Feature workers, and training workers, of embedded mode; they share the cores.

    By default two where there are two cores, 8 GiB and no GPU, else one. Elsewhere: for how many of them
    the API tells how long a comparison takes."""
    max_attempts: int = Field(5, ge=1)
    """A shard that killed or failed so many workers fails its job."""
    retry_delay_seconds: float = Field(5.0, gt=0)
    """Wait after a shard's first passing fault; it doubles with each further one."""
    job_deadline_seconds: float = Field(7 * 86_400.0, gt=0)
    """A job that is not done so long after it was accepted expires."""
    retention_seconds: float = Field(90 * 86_400.0, gt=0)
    """Ended jobs older than this are deleted, their shards, events and unreferenced files too."""
    orphan_age_seconds: float = Field(86_400.0, gt=0)
    """A file that no row names is deleted when it is older than this."""
    max_waiting_shards: int = Field(100_000, ge=1)
    """With so many shards of a tenant waiting in a queue, further jobs are refused with 429."""

    checkpoint_seconds: float = Field(60.0, gt=0)
    """How often a training leaves its state for a later attempt to go on from."""

    shard_rows: int = Field(512, ge=1)
    """Candidates per feature shard until the pace of a model is known; then shards take about a minute."""
    block_rows: int = Field(128, ge=1)
    """Rows per feature block: what a killed shard loses at most."""

    max_json_bytes: int = Field(16 * 2**20, ge=1)
    max_line_bytes: int = Field(2**20, ge=1)
    max_batch_bytes: int = Field(8 * 2**30, ge=1)
    max_batch_records: int = Field(10_000_000, ge=1)
    max_inline_records: int = Field(10_000, ge=1)
    max_target_records: int = Field(100_000, ge=1)
    """Of a target that comes as a file: it is held in memory."""
    max_file_bytes: int = Field(64 * 2**30, ge=1)
    max_part_bytes: int = Field(512 * 2**20, ge=1)
    """Of an upload: what a cut connection loses at most."""
    upload_seconds: int = Field(24 * 3600, ge=1)
    """How long an upload may take; what is not complete by then is deleted."""
    max_parquet_memory: int = Field(64 * 2**20, ge=2**20)
    """For reading a Parquet file that a user sent, beyond what the reading process itself takes."""

    requests_per_second: int = Field(200, ge=1)
    """Of one tenant, over all API processes."""
    rates_without_redis: Literal["open", "closed"] = "open"
    """While requests cannot be counted: take all of them, or none."""
    max_jobs: int = Field(100, ge=1)
    """Jobs of one tenant that have not ended."""
    max_records: int = Field(100_000_000, ge=1)
    """Records that one tenant may store, targets and pools together."""
    max_stored_bytes: int = Field(2**40, ge=1)
    """Bytes that one tenant may store."""
    max_k: int = Field(10_000_000, ge=1)
    """Candidates that one selection may ask for."""
    max_edges: int = Field(50_000_000, ge=1)
    """Edges between targets and candidates that a selection from a large pool may list; see docs/scale.md."""
    max_training_steps: int = Field(100_000, ge=1)
    """Optimizer steps that one training may ask for."""
    disk_reserve_share: float = Field(0.05, ge=0, lt=1)
    """Of each local disk: while less is free, nothing is taken in and jobs wait."""
    webhook_sweep_seconds: float = Field(1.0, gt=0)
    """How often webhooks that are due are looked for."""
    webhook_networks: Annotated[str, AfterValidator(_networks)] = ""
    """Networks that webhooks may go to besides public addresses: 10.1.0.0/16,fd00:1::/32"""
    endpoints: Path | None = None
    """JSON file of generators that loops may ask by alias: {alias: {url, api_key_env | api_key_file}}."""
    generator_networks: Annotated[str, AfterValidator(_networks)] = ""
    """Networks that generators may be in besides public addresses, plain http included: 127.0.0.0/8"""
    task_folder: Path | None = None
    """Folder of lm-eval tasks of your own, empty or not: where it is set, evaluations may name tasks."""
    audit_days: int = Field(365, ge=1)
    """How long the audit log reaches back."""
    trace_url: str = ""
    """Where OpenTelemetry spans go by OTLP over HTTP: http://collector:4318/v1/traces; none by default."""
    instance: str = ""
    """By which embedded mode knows its own API; it chooses one at each start."""
    show_docs: bool | None = None
    """Whether /docs shows the interface as a page: yes in embedded mode, else no."""
    cors_origins: Annotated[str, AfterValidator(_origins)] = ""
    """Origins, separated by commas, whose pages may call the API from a browser, or `*`."""

    default_model: str = "smollm2-135m-instruct"
    models: Path | None = None
    """JSON file that allows further models: alias to source. Workers and API must see the same."""
    model_cache: Path = Path("~/.cache/evoselect/models").expanduser()
    """Where workers keep converted models; may be deleted at any time."""

    @property
    def window_rows(self) -> int:
        """Rows that are sorted by length before they are cut into blocks; shards take whole windows."""
        return WINDOW_BLOCKS * self.block_rows

    def ready(self, *, keys: bool = True) -> "Settings":
        """Self, or an error that names the first missing server; without `keys` no pepper is needed."""
        for name in ("database_url", "redis_url", "artifacts_url", *(["key_pepper"] if keys else [])):
            value = getattr(self, name)
            if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                raise MissingSetting(name)
        return self


class MissingSetting(ValueError):
    """A process was started without a server that it needs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{PREFIX}{name.upper()} is not set: set it, or run `evoselect up`, which sets everything"
        )


def load_settings(*, keys: bool = True) -> Settings:
    """The settings of this process; raises MissingSetting when a server is not named.

    Processes that check no key and sign no webhook say so, and are started without the pepper.
    """
    return Settings().ready(keys=keys)


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables that make another process read the same settings."""
    variables = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is None:
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        variables[PREFIX + name.upper()] = text
    return variables
