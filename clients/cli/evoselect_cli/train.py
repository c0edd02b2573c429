"""Train on a selection and measure a model: evoselect train, evaluate."""

from typing import Annotated

import typer

from evoselect_cli.inputs import finish, is_id, reading_of, settings_of, target_id_of
from evoselect_cli.options import (
    ColumnsOption,
    FormatOption,
    JsonOption,
    NameOption,
    SeedOption,
    SpecOption,
    TemplateOption,
    WaitOption,
)
from evoselect_client import Client


def train(
    selection_id: Annotated[str, typer.Argument(help="A completed selection.")],
    base_model: Annotated[str | None, typer.Option(help="Default is the service's.")] = None,
    spec: SpecOption = None,
    seed: SeedOption = None,
    name: NameOption = None,
    wait_for_it: WaitOption = True,
    json: JsonOption = False,
) -> None:
    """Train a LoRA adapter on a selection."""
    with Client() as client:
        job = client.trainings.create(
            selection_id=selection_id, base_model=base_model, spec=settings_of(spec), seed=seed, name=name
        )
        finish(job, wait_for_it, json)


def evaluate(
    model: Annotated[str, typer.Argument(help="A base model's alias, or a trained model's id.")],
    data: Annotated[str | None, typer.Option(help="File of held-out examples, or a target's id.")] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Instead: a task of lm-eval's, such as arc_challenge; repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Questions of each task, from its beginning.")] = None,
    spec: SpecOption = None,
    name: NameOption = None,
    format: FormatOption = None,
    columns: ColumnsOption = None,
    template: TemplateOption = None,
    wait_for_it: WaitOption = True,
    json: JsonOption = False,
) -> None:
    """Measure a model on held-out examples, or on named tasks."""
    if (data is None) == (task is None):
        raise typer.BadParameter("give either --data or --task")
    settings, reading = settings_of(spec), reading_of(format, columns, template)
    with Client() as client:
        if data is not None and not is_id(data):
            client.models.retrieve(model)  # an unknown one is told before anything is uploaded
        target_id = None if data is None else target_id_of(client, data, reading)
        job = client.evaluations.create(
            model=model, target_id=target_id, tasks=task, limit=limit, spec=settings, name=name
        )
        finish(job, wait_for_it, json)
