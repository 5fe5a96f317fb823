"""What a run was, to be compared with what it is to go on as."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lstmtext import __version__
from lstmtext.bundle import Bundle
from lstmtext.config import Settings
from lstmtext.data.columns import Columns
from lstmtext.data.encoded import EncodedData
from lstmtext.data.plan import DataRequest
from lstmtext.errors import DataError, ModelError, UsageError
from lstmtext.resolve import differences, settings_from_sections
from lstmtext.train.job import TrainRequest
from lstmtext.train.ranks import Ranks


@dataclass(frozen=True)
class EarlierRun:
    """What a run was, to be compared with what it is to go on as."""

    request: TrainRequest
    settings: Settings
    data: dict[str, Any]
    machine: str
    precision: str
    tokenizer: str
    encoder: str
    """SHA-256 of the encoder that a head is added to; empty where none is."""

    @classmethod
    def of(cls, about: dict[str, Any], place: object) -> "EarlierRun":
        """From a run's description. Raises ModelError where something is missing."""
        try:
            asked = about["request"]
            data = DataRequest(**{**asked["data"], "columns": Columns(**asked["data"]["columns"])})
            places = asked["encoder"], asked["head"], (), asked.get("add_to", "")
            request = TrainRequest(data, Path(asked["output"]), *places)
            settings = settings_from_sections(about["settings"])
            return cls(
                request,
                settings,
                about["data"],
                about["machine"],
                about["precision"],
                about["tokenizer"],
                about.get("encoder", ""),
            )
        except (KeyError, TypeError, UsageError) as error:
            raise ModelError(place, f"is not complete: {error!r}", hint="train anew without --resume") from error

    def changed_data(self, data: EncodedData, name: str) -> DataError | None:
        """What says that the data are not those of the run, if so."""
        if self.data["fingerprint"] == data.fingerprint():
            return None
        files = self.data["files"]
        changed = [file for file, digest in data.facts.sources.items() if files.get(file, digest) != digest]
        found = "is not what the run was trained on"
        if not changed:
            found = f"gives {records_of(data)} records for training and validation that differ"
        expected = f"the {self.data['records']} records of before"
        return DataError(changed[0] if changed else name, found, expected=expected, hint="--force goes on with it")

    def changed_encoder(self, now: Bundle | None) -> DataError | None:
        """What says that the encoder that a head is added to is not that of the run, if so."""
        if now is None or not self.encoder or now.encoder_digest == self.encoder:
            return None
        found = "has another encoder than when the run began"
        return DataError(now.folder, found, expected="the one that the head learned on", hint="--force goes on with it")

    def changed_settings(self, place: object, now: Settings) -> UsageError | None:
        """What says that settings are not those of the run, if so."""
        found = differences(self.settings, now, besides="checkpoint")
        if not found:
            return None
        words = ", ".join(f"{key}={old} before, {new} now" for key, (old, new) in found.items())
        return UsageError(place, f"other settings: {words}", hint="--force goes on with them")

    def changed_machine(self, ranks: Ranks) -> str:
        """What says that the machine is not that of the run, or nothing."""
        now = machine_of(ranks)
        return "" if now == self.machine else f"the last bits may differ: {self.machine} before, {now} now"


def records_of(data: EncodedData) -> str:
    """How many records there are for training and validation, in words."""
    return f"{len(data.tables['train'])} and {len(data.tables['validation'])}"


def machine_of(ranks: Ranks) -> str:
    """What the bits of a training depend on besides data and settings."""
    threads = torch.get_num_threads()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return f"lstmtext {__version__}, torch {torch.__version__}, {device}, {ranks.size} x {threads} threads"
