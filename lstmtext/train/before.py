"""What a run was, to be compared with what it is to go on as."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lstmtext import __version__
from lstmtext.bundle import Bundle
from lstmtext.config import Settings
from lstmtext.data.columns import Columns
from lstmtext.data.encoded import EncodedData
from lstmtext.data.plan import DataRequest
from lstmtext.description import HeadInfo
from lstmtext.errors import DataError, ModelError, UsageError
from lstmtext.resolve import differences, lost_settings, settings_from_sections
from lstmtext.train.job import HeadJob, TrainRequest
from lstmtext.train.ranks import Ranks
from lstmtext.train.staying import StayingHead


@dataclass(frozen=True)
class EarlierRun:
    """What a run was, to be compared with what it is to go on as."""

    request: TrainRequest
    settings: dict[str, Settings]
    """Of each head."""
    data: dict[str, dict[str, Any]]
    """Of each head: files, records, fingerprint."""
    machine: str
    precision: str
    tokenizer: str
    encoder: str
    """SHA-256 of the encoder that the run started from; empty where there was none."""
    staying: dict[str, str]
    """SHA-256 of each head of that bundle that stays."""

    @classmethod
    def of(cls, about: dict[str, Any], place: object) -> "EarlierRun":
        """From a run's description. Raises ModelError where something is missing."""
        try:
            asked = about["request"]
            together = {name: _data_request(own) for name, own in asked["together"].items()}
            places = asked["encoder"], asked["head"], (), asked["add_to"], together
            request = TrainRequest(_data_request(asked["data"]), Path(asked["output"]), *places)
            settings = {name: settings_from_sections(own) for name, own in about["settings"].items()}
            lost = {key: value for own in about["settings"].values() for key, value in lost_settings(own).items()}
            rest = [about[key] for key in ("data", "machine", "precision", "tokenizer", "encoder")]
            rest.append(about.get("staying", {}))  # runs of earlier versions have none
        except (KeyError, TypeError, AttributeError, UsageError) as error:
            raise ModelError(place, f"is not complete: {error!r}", hint="train anew without --resume") from error
        for key, value in lost.items():
            raise ModelError(place, f"began with {key}={value}, which is no more", hint="train anew without --resume")
        return cls(request, settings, *rest)

    def changed_data(self, heads: Sequence[HeadJob]) -> DataError | None:
        """What says that the data of a head are not those of the run, if so."""
        for head in heads:
            was, data = self.data[head.name], head.data
            if was["fingerprint"] == data.fingerprint():
                continue
            known = set(was["files"].values())
            changed = [file for file, digest in data.facts.sources.items() if digest not in known]
            place = changed[0] if changed else next(iter(data.facts.sources))
            found = "is not what the run was trained on" if changed else "is read otherwise than in the run"
            found += f": now {records_of(data)} records for training and validation"
            expected = f"the {was['records']} of before"
            return DataError(place, found, expected=expected, hint="--force goes on with it")
        return None

    def check_labels(self, heads: Sequence[HeadJob]) -> None:
        """Raise DataError where the data of a head have other labels than the run, for which weights have no place.

        Which labels these are, runs of earlier versions do not know.
        """
        for head in heads:
            now = head.data.labels.names
            was = self.data[head.name].get("labels", now)
            if [*was] == [*now]:
                continue
            differing = [f"{name!r} is new" for name in now if name not in was]
            differing += [f"{name!r} is gone" for name in was if name not in now]
            place = next(iter(head.data.facts.sources), "DATA")
            found = f"has other labels than the run was trained on: {', '.join(differing) or 'in another order'}"
            raise DataError(place, found, hint="train anew without --resume")

    def changed_encoder(self, now: Bundle | None) -> DataError | None:
        """What says that the encoder to start from is not that of the run, if so."""
        if now is None or not self.encoder or now.encoder_digest == self.encoder:
            return None
        found = "has another encoder than when the run began"
        return DataError(now.folder, found, expected="the one that was learned on", hint="--force goes on with it")

    def check_heads(self, place: object, heads: Sequence[HeadJob]) -> None:
        """Raise ModelError where heads have other names than those of the run, as those of the bundle to start from."""
        was, now = ", ".join(self.settings), ", ".join(head.name for head in heads)
        if was != now:
            hint = "put back the bundle that the run started from, or train anew without --resume"
            raise ModelError(place, f"the head to go on with is {now} now", expected=f"{was}, as in the run", hint=hint)

    def check_optimizer(self, heads: Sequence[HeadJob]) -> None:
        """Raise UsageError for another optimizer than the run's, whose state is in its checkpoints."""
        was, now = next(iter(self.settings.values())).train.optimizer, heads[0].settings.train.optimizer
        if was != now:
            expected = f"{was}, as the run has its state"
            raise UsageError("--set train.optimizer", f"found {now}", expected=expected, hint="train anew with it")

    def check_retained(self, heads: Sequence[HeadJob], staying: Mapping[str, StayingHead], now: Bundle | None) -> None:
        """Raise what says that a part of the old weights is to be retained where it was not, or of other heads."""
        was, given = (own.transfer.retain for own in (next(iter(self.settings.values())), heads[0].settings))
        if now is not None and bool(was) != bool(given):
            expected = f"{was}, as the run began with it"
            raise UsageError("--set transfer.retain", f"found {given}", expected=expected, hint="train anew with it")
        if now is not None and self.staying != {name: own.digest for name, own in staying.items()}:
            expected, hint = ", ".join(self.staying) or "none", "put back the bundle that the run started from"
            found = "its heads that stay are others than when the run began"
            raise DataError(now.folder, found, expected=f"those of then ({expected})", hint=hint)

    def changed_settings(self, place: object, heads: Sequence[HeadJob]) -> UsageError | None:
        """What says that settings are not those of the run, if so."""
        found: dict[str, tuple[object, object]] = {}
        for head in heads:
            found |= differences(self.settings[head.name], head.settings, besides="checkpoint")
        if not found:
            return None
        words = ", ".join(f"{key}={old} before, {new} now" for key, (old, new) in found.items())
        return UsageError(place, f"other settings: {words}", hint="--force goes on with them")

    def changed_machine(self, ranks: Ranks) -> str:
        """What says that the machine is not that of the run, or nothing."""
        now = machine_of(ranks)
        return "" if now == self.machine else f"the last bits may differ: {self.machine} before, {now} now"


def about_run(
    request: TrainRequest,
    heads: Sequence[HeadJob],
    encoder: Bundle | None,
    staying: Mapping[str, StayingHead],
    ranks: Ranks,
) -> dict[str, object]:
    """What a run is, as `EarlierRun` reads it and JSON holds it."""
    return {
        "request": asdict(request) | {"output": str(request.output)},
        "settings": {head.name: head.settings.as_dict() for head in heads},
        "data": {
            head.name: {
                "files": head.data.facts.sources,
                "records": records_of(head.data),
                "fingerprint": head.data.fingerprint(),
                "labels": [*head.data.labels.names],
            }
            for head in heads
        },
        "machine": machine_of(ranks),
        "tokenizer": heads[0].data.tokenizer.to_json(),
        "encoder": encoder.encoder_digest if encoder is not None else "",
        "staying": {name: own.digest for name, own in staying.items()},
    }


def check_new_head(bundle: Bundle, name: str, resumed: HeadJob | None = None) -> None:
    """Raise UsageError where a bundle has a head of a name already, unless it is what a resumed run left there."""
    same = next((own for own in bundle.info.heads if own.lower() == name.lower()), None)
    if same is None or (resumed is not None and same == name and _left(resumed, bundle.info.heads[same])):
        return
    hint = "give the new head another name, or leave --add-to out and write another bundle"
    raise UsageError(f"--head {name}", f"{bundle.folder} has a head '{same}' already", hint=hint)


def facts_of(data: EncodedData) -> dict[str, object]:
    """What a bundle says of the data of a head."""
    return {
        "files": data.facts.sources,
        "columns": data.facts.columns,
        "training records": len(data.tables["train"]),
        "validation records": len(data.tables["validation"]),
        "label counts": data.facts.label_counts,
    }


def _left(head: HeadJob, found: HeadInfo) -> bool:
    """Whether a head in a bundle is of the run that goes on: it was interrupted, or killed as soon as it had saved.

    The latter is told by data and settings, which make the same head whenever they are trained with.
    """
    if found.training.get("interrupted"):
        return True
    return _unnamed(facts_of(head.data)) == _unnamed(found.data) and not differences(
        found.settings, head.settings, besides="checkpoint"
    )


def _unnamed(facts: dict[str, object]) -> dict[str, object]:
    """Facts of data without the names of files, which may have moved."""
    files = facts.get("files")
    return {**facts, "files": sorted(map(str, files.values())) if isinstance(files, dict) else files}


def records_of(data: EncodedData) -> str:
    """How many records there are for training and validation, in words."""
    return f"{len(data.tables['train'])} and {len(data.tables['validation'])}"


def machine_of(ranks: Ranks) -> str:
    """What the bits of a training depend on besides data and settings."""
    threads = torch.get_num_threads()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return f"lstmtext {__version__}, torch {torch.__version__}, {device}, {ranks.size} x {threads} threads"


def _data_request(asked: dict[str, Any]) -> DataRequest:
    return DataRequest(**{**asked, "columns": Columns(**asked["columns"])})
