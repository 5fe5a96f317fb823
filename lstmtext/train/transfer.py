"""What a training takes over from the bundle that it starts from: the encoder, and the head where that goes on.

A head goes on where the new data are of its task and name some of its labels: it keeps the labels that they do not
have, and learns those that are new. Otherwise only the encoder is taken.
Letters: K labels of the new head, N rows of a table.
"""

from dataclasses import dataclass, fields

import numpy as np

from lstmtext.bundle import Bundle
from lstmtext.config import Setting, Settings, TaskName
from lstmtext.data.encoded import EncodedData
from lstmtext.data.parts import KnownHead
from lstmtext.description import ENCODER_SIZES, HeadInfo
from lstmtext.errors import UsageError
from lstmtext.resolve import with_kept
from lstmtext.runtime.export import Graphs
from lstmtext.tasks import TASKS
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.labels import Labels
from lstmtext.text.lexical import KEYS, keys_in

HEAD_SHAPES: dict[TaskName, tuple[str, ...]] = {
    "classify": ("pooling", "bypass", "bypass_ngrams", "bypass_characters"),
    "tag": ("bypass", "bypass_rows"),
    "generate": (),
}
"""Settings that decide the shapes of a head's weights and what they stand for."""
ENCODED: dict[TaskName, tuple[str, ...]] = {"classify": ("bypass", "bypass_ngrams", "bypass_characters")}
"""Those that encoded data have taken into account already."""
FROZEN: dict[str, Setting] = {
    "transfer.head": "new",
    "transfer.rate_decay": 1.0,
    "transfer.unfreeze": 0.0,
    "transfer.retain": 0.0,
    "transfer.language_loss": 0.0,
    "train.adversarial": 0.0,
}
"""Settings of a training that leaves the encoder alone."""
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
NGRAM_ROWS = (KEYS, "bypass.table_NK", "bypass.weights_N")
"""Arrays of a classifier with a row for each n-gram; a new head may have more. Rows that are free come first."""

Arrays = dict[str, Floats]


@dataclass(frozen=True)
class OldHead:
    """A head that goes on; all of it is in memory, so that its folder may go while the training runs."""

    name: str
    labels: tuple[str, ...]
    arrays: Arrays
    graphs: Graphs
    places_K: Ints
    """Where its labels stand among those of the new head."""

    @property
    def ngrams(self) -> int:
        """How many n-grams it has rows for, if it is a classifier's."""
        keys_N = keys_in(self.arrays)
        return 0 if keys_N is None else int(np.count_nonzero(keys_N))

    def widened(self, fresh: Arrays) -> Arrays:
        """Its arrays with places for new labels and n-grams, which have what `fresh` has, those of the new head."""
        made = {}
        for name, own in self.arrays.items():
            axes, in_rows = LABEL_AXES.get(name, ()), name in NGRAM_ROWS
            made[name] = fresh[name].copy() if axes or in_rows else own
            if axes or in_rows:
                known = own[-len(made[name]) :] if in_rows else own  # a smaller table leaves free rows out
                places = [self.places_K if axis in axes else np.arange(size) for axis, size in enumerate(known.shape)]
                if in_rows:
                    places[0] += len(made[name]) - len(known)
                made[name][np.ix_(*places)] = known
        return made


def heads_of(bundle: Bundle, task: TaskName, name: str | None = None) -> list[tuple[str, HeadInfo]]:
    """Names and descriptions of the heads of a task; of one alone, if it is named."""
    heads = {own: head for own, head in bundle.info.heads.items() if head.task == task}
    return [(name, heads[name])] if name in heads else list(heads.items())


def head_for(
    bundle: Bundle, task: TaskName, settings: Settings, name: str | None = None
) -> tuple[str, KnownHead] | None:
    """The head of a bundle that a training of a task may go on from: the named one, or the only one, if there is."""
    own = heads_of(bundle, task, name)
    if len(own) != 1 or settings.transfer.head == "new" or not same_kind(own[0][1], settings):
        return None
    sections = own[0][1].settings.as_dict()
    shape = {f"{task}.{key}": sections[task][key] for key in HEAD_SHAPES[task]}
    return own[0][0], KnownHead(bundle.folder, own[0][1].labels, shape)


def same_kind(head: HeadInfo, settings: Settings) -> bool:
    """Whether a head, if it is a classifier's, gives as many labels a text as is wanted: one, or any number."""
    return head.task != "classify" or head.multi_label == settings.classify.multi_label


def old_head(
    bundle: Bundle, task: TaskName, settings: Settings, labels: Labels, name: str | None = None
) -> OldHead | None:
    """The head of a bundle that goes on in a model of some settings and labels, where these are those of the head.

    Raises UsageError where the user chose a table that its n-grams do not fit into.
    """
    found = head_for(bundle, task, settings, name)
    if found is None or not all(label in labels for label in found[1].labels):
        return None
    name, head = found
    own = settings.as_dict()[task]
    if any(own[key] != head.shape[f"{task}.{key}"] for key in HEAD_SHAPES[task]):
        return None
    places_K = np.array([labels.id(label) for label in head.labels], dtype=np.int64)
    part, encoder = bundle.part(name), bundle.part()
    assert part.graph is not None, "each head has a graph"
    graphs = Graphs(encoder.graph if TASKS[task].reads_encoder else None, part.graph)
    made = OldHead(name, head.labels, bundle.head_arrays(name), graphs, places_K)
    rows = settings.classify.bypass_rows
    if 0 < rows <= made.ngrams:
        expected = f"more than {made.ngrams}, the n-grams that {bundle.folder} knows"
        raise UsageError("--set classify.bypass_rows", f"found {rows}", expected=expected, hint="leave it out")
    return made


def with_encoder(settings: Settings, task: TaskName, bundle: Bundle, *, added: bool = False) -> Settings:
    """Settings whose text unit and encoder sizes are those of a bundle to start from; dropouts stay.

    Where a head is added, the encoder is to be as it is, so all its settings are the bundle's, and none says how it
    goes on. Raises UsageError where the user chose others.
    """
    if added:
        settings = with_kept(settings, task, FROZEN, "the encoder of --add-to stays as it is")
    info = bundle.info
    keys = [item.name for item in fields(info.encoder)] if added else ENCODER_SIZES
    kept: dict[str, Setting] = {f"encoder.{key}": getattr(info.encoder, key) for key in keys}
    kept |= {"text.unit": info.unit, "text.vocabulary_size": info.vocabulary_size}
    return with_kept(settings, task, kept, f"{bundle.folder} has")


def with_head_for_encoded(settings: Settings, data: EncodedData, bundle: Bundle, name: str | None = None) -> Settings:
    """Settings of the shape of a bundle's head, where data that are encoded already allow it to go on."""
    task = data.task
    found = head_for(bundle, task, settings, name)
    if found is None or not all(label in data.labels for label in found[1].labels):
        return settings
    made, shape = data.settings.as_dict()[task], found[1].shape
    if any(made[key] != shape[f"{task}.{key}"] for key in ENCODED.get(task, ())):
        return settings
    return with_kept(settings, task, shape, f"{bundle.folder} has; --set transfer.head=new takes its encoder alone")
