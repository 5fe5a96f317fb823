"""What a training takes over from the bundle that it starts from: the encoder, and the head where that goes on.

A head goes on where the new data are of its task and name some of its labels: it keeps the labels that they do not
have, and learns those that are new. Otherwise only the encoder is taken.
Letters: K labels of the new head, N rows of a table.
"""

from dataclasses import dataclass

import numpy as np

from lstmtext.bundle import Bundle, HeadInfo
from lstmtext.config import Setting, Settings, TaskName
from lstmtext.resolve import with_kept
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.labels import Labels

ENCODER_SIZES = ("directions", "embedding_size", "hidden_size", "layers")
HEAD_SHAPES: dict[TaskName, tuple[str, ...]] = {
    "classify": ("multi_label", "pooling", "bypass", "bypass_ngrams", "bypass_characters", "bypass_buckets"),
    "tag": ("bypass", "bypass_buckets"),
    "generate": (),
}
"""Settings that decide the shapes of a head's weights and what they stand for."""
LABEL_AXES = {
    "output.weight": (0,),
    "output.bias": (0,),
    "bypass.table_NK": (1,),
    "bypass.bias_K": (0,),
    "crf.transitions_KK": (0, 1),
    "crf.starts_K": (0,),
    "crf.ends_K": (0,),
    "shift_K": (0,),
    "thresholds_K": (0,),
}
"""Along which axes the arrays of a head have a place for each label."""

Arrays = dict[str, Floats]


@dataclass(frozen=True)
class OldHead:
    """A head that goes on."""

    arrays: Arrays
    places_K: Ints
    """Where its labels stand among those of the new head."""

    def widened(self, fresh: Arrays) -> Arrays:
        """Its arrays with places for new labels, which have what stands in `fresh`, the arrays of the new head."""
        made = {}
        for name, own in self.arrays.items():
            axes = LABEL_AXES.get(name, ())
            made[name] = fresh[name].copy() if axes else own
            if axes:
                places = [self.places_K if axis in axes else np.arange(size) for axis, size in enumerate(own.shape)]
                made[name][np.ix_(*places)] = own
        return made


def head_for(bundle: Bundle, task: TaskName, settings: Settings) -> tuple[str, HeadInfo] | None:
    """Name and description of the head of a bundle that a training of a task may go on from, if there is one."""
    own = [(name, head) for name, head in bundle.info.heads.items() if head.task == task]
    return own[0] if len(own) == 1 and settings.transfer.head != "new" else None


def old_head(bundle: Bundle, task: TaskName, settings: Settings, labels: Labels) -> OldHead | None:
    """The head of a bundle that goes on in a model of some labels; none where they lack one of its own."""
    found = head_for(bundle, task, settings)
    if found is None or not all(name in labels for name in found[1].labels):
        return None
    places_K = np.array([labels.id(name) for name in found[1].labels], dtype=np.int64)
    return OldHead(bundle.arrays(f"heads.{found[0]}."), places_K)


def with_bundle(settings: Settings, task: TaskName, bundle: Bundle) -> Settings:
    """Settings whose text unit and sizes are those of a bundle to start from; dropouts stay.

    Raises UsageError where the user chose others.
    """
    old = bundle.info.settings.as_dict()
    kept: dict[str, Setting] = {f"encoder.{key}": old["encoder"][key] for key in ENCODER_SIZES}
    kept |= {"text.unit": old["text"]["unit"], "text.vocabulary_size": bundle.info.vocabulary_size}
    settings = with_kept(settings, task, kept, f"{bundle.folder} has")
    if head_for(bundle, task, settings) is None:
        return settings
    shapes = {f"{task}.{key}": old[task][key] for key in HEAD_SHAPES[task]}
    reason = f"{bundle.folder} has; --set transfer.head=new takes its encoder alone"
    return with_kept(settings, task, shapes, reason)
