"""A session's weights to published versions: 0, the initial weights, and 1, what training made of them."""

from hashlib import sha256
from pathlib import Path
from typing import Literal

from service.engine.model_metadata import ModelMetadata, Provenance
from service.engine.training_history import TrainingHistory
from training.evaluation import fitted_temperature, torch_logits
from training.files.model_files import described
from training.files.provenance import commit, versions
from training.files.publishing import publish, version_path
from training.graphs.export import exported
from training.recipes import RECIPES, settings_between
from training.recipes.evidence import written
from training.runs.plan import TRAINED, UNTRAINED, Plan
from training.runs.session import Session, network_with


def published(session: Session) -> dict[Path, ModelMetadata]:
    """Writes both versions with the weights kept so far; returns what the files say of themselves.

    Raises ParityError before anything is written.
    """
    plan, dataset = session.plan, session.dataset
    initial = network_with(session, session.initial)
    graph = exported(initial, dataset.image_shape)
    untrained = described(initial, graph, dataset, 1.0, _provenance(plan, "untrained", _note(plan)), None)
    trained = _trained(session, _provenance(plan, "trained", _note(plan)), history(session))
    return _written({UNTRAINED: untrained, TRAINED: trained}, plan)


def published_elsewhere_trained(session: Session, source: Path) -> dict[Path, ModelMetadata]:
    """Writes version 1 alone, with weights that came from `source`: nobody here knows the seed or how they began.

    Raises ParityError before anything is written.
    """
    note = f"weights from {source.name} (sha256 {sha256(source.read_bytes()).hexdigest()}), trained elsewhere"
    provenance = _provenance(session.plan, "trained", note).model_copy(update={"seed": None})
    return _written({TRAINED: _trained(session, provenance, None)}, session.plan)


def _trained(session: Session, provenance: Provenance, trained: TrainingHistory | None) -> tuple[bytes, ModelMetadata]:
    network = network_with(session, session.state.kept)
    validation = session.validation
    temperature = fitted_temperature(torch_logits(network, validation.images), validation.labels)
    graph = exported(network, session.dataset.image_shape)
    return described(network, graph, session.dataset, temperature, provenance, trained)


def _written(versions_found: dict[int, tuple[bytes, ModelMetadata]], plan: Plan) -> dict[Path, ModelMetadata]:
    files = {version_path(plan.out, plan.name, version): found for version, found in versions_found.items()}
    publish({path: content for path, (content, _) in files.items()})
    return {path: metadata for path, (_, metadata) in files.items()}


def history(session: Session) -> TrainingHistory:
    """How the session's training went so far."""
    state = session.state
    return TrainingHistory(
        recipe=written(session.plan.recipe),
        hardware="; then ".join(session.hardware),
        seconds=round(state.seconds, 2),
        training_images=len(session.training),
        validation_images=len(session.validation),
        kept_epoch=state.kept_epoch,
        epochs=tuple(state.records),
    )


def _note(plan: Plan) -> str | None:
    return None if plan.backbone is None else f"fine-tuned from {plan.backbone.name}"


def _provenance(plan: Plan, stage: Literal["trained", "untrained"], note: str | None) -> Provenance:
    """The settings that differ from the recipe of this name are said too."""
    recipe = plan.recipe
    return Provenance(
        stage=stage,
        recipe=recipe.name,
        seed=plan.seed,
        commit=commit(),
        versions=versions(),
        settings=settings_between(RECIPES.get(recipe.name, recipe), recipe),
        note=note,
    )
