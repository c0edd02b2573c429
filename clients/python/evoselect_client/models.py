"""Everything that the service returns, and what it takes as records, in one place to import from."""

from evoselect_client.core.resource import Bound, Resource
from evoselect_client.core.response import Response
from evoselect_client.core.steps import Page
from evoselect_client.data.sources import Records
from evoselect_client.resources.api_keys import ApiKey
from evoselect_client.resources.evaluations import Evaluation, Score
from evoselect_client.resources.files import File, FilePart, FileUpload
from evoselect_client.resources.indexings import Indexing
from evoselect_client.resources.jobs import Event, Job, JobError, JobProgress, PhaseProgress, Progress
from evoselect_client.resources.loops import Arm, Loop, Round
from evoselect_client.resources.models import Model, ModelFile
from evoselect_client.resources.pools import Pool
from evoselect_client.resources.records import (
    Batch,
    BatchError,
    Counts,
    IndexUsed,
    Recognised,
    RowExample,
    SimilarRecord,
    SimilarRecords,
    StoredRecord,
    Upload,
)
from evoselect_client.resources.selections import Candidate, Comparison, Item, Selection
from evoselect_client.resources.targets import Target
from evoselect_client.resources.trainings import Training
from evoselect_client.resources.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "ApiKey",
    "Arm",
    "Batch",
    "BatchError",
    "Bound",
    "Candidate",
    "Comparison",
    "Counts",
    "Evaluation",
    "Event",
    "File",
    "FilePart",
    "FileUpload",
    "IndexUsed",
    "Indexing",
    "Item",
    "Job",
    "JobError",
    "JobProgress",
    "Loop",
    "Model",
    "ModelFile",
    "Page",
    "PhaseProgress",
    "Pool",
    "Progress",
    "Recognised",
    "Records",
    "Resource",
    "Response",
    "Round",
    "RowExample",
    "Score",
    "Selection",
    "SimilarRecord",
    "SimilarRecords",
    "StoredRecord",
    "Target",
    "Training",
    "Upload",
    "WebhookDelivery",
    "WebhookEndpoint",
]
