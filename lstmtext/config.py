"""Every setting, its default and its bounds; the only home of defaults.

Settings are frozen dataclasses in sections (`text`, `encoder`, …). A dotted key names one (`train.clip`).
What is left out: how a file, `--set` and flags become settings (`resolve`), and everything about one run's files
(inputs, outputs, columns), which are arguments.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from lstmtext.bounds import bounded, check_bounds
from lstmtext.errors import UsageError

Unit = Literal["bpe", "char", "word"]
TaskName = Literal["classify", "tag", "generate"]
WeightPrecision = Literal["float32", "float16", "int8"]
Setting = bool | int | float | str | tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True)
class TextSettings:
    """How text becomes token ids."""

    unit: Unit = "bpe"
    """What a token is: byte-level BPE pieces (no unknown token in any language), characters, or words."""
    vocabulary_size: int = bounded(0, 0, 1_000_000)
    """Most entries of the tokenizer's vocabulary; 0 lets the amount of text decide."""
    max_tokens: int = bounded(400, 8, 1_000_000)
    """A longer classified text keeps its first and last halves of this many tokens; tagged sentences are
    never cut, and language models read all."""


@dataclass(frozen=True)
class EncoderSettings:
    """The two directional LSTM stacks."""

    directions: Literal["both", "forward"] = "both"
    """Whether the backward stack exists. Generation needs only the forward one."""
    embedding_size: int = bounded(128, 1, 8192)
    """Numbers a token's embedding holds."""
    hidden_size: int = bounded(256, 1, 8192)
    """Units of each LSTM layer, per direction."""
    layers: int = bounded(1, 1, 16)
    """LSTM layers per direction."""
    embedding_dropout: float = bounded(0.0, 0.0, 0.95)
    """Chance that a vocabulary entry is zero for a whole batch (Gal and Ghahramani, 2016)."""
    input_dropout: float = bounded(0.3, 0.0, 0.95)
    """Locked dropout of the embedded tokens: one mask for all steps of a sequence."""
    hidden_dropout: float = bounded(0.2, 0.0, 0.95)
    """Locked dropout between LSTM layers."""
    output_dropout: float = bounded(0.3, 0.0, 0.95)
    """Locked dropout of the last layer's states."""
    weight_drop: float = bounded(0.0, 0.0, 0.95)
    """DropConnect of the recurrent matrices (Merity et al., 2018), drawn once a batch."""


@dataclass(frozen=True)
class ClassifySettings:
    """The classifier head."""

    pooling: tuple[str, ...] = ("attention", "max", "mean", "last")
    """How the states of a text become one vector: any of attention, max, mean, last, joined."""
    dropout: float = bounded(0.4, 0.0, 0.95)
    """Dropout of the pooled vector."""
    bypass: bool = True
    """Add a linear model of n-grams, of words and of characters inside words, to the encoder's answer."""
    bypass_ngrams: int = bounded(3, 1, 5)
    """Longest word n-gram of the bypass."""
    bypass_characters: int = bounded(5, 0, 10)
    """Longest n-gram of characters inside words that the bypass has, beside those of one less; 0 for none."""
    bypass_rows: int = bounded(0, 0, 1 << 26)
    """Rows of the bypass's table: one for padding, the others for the n-grams of the most training texts; 0 lets the
    number of words decide."""
    multi_label: bool = False
    """Whether a text may have any number of labels: none, one or several. Each is a question of its own then."""
    label_smoothing: float = bounded(0.0, 0.0, 0.5)
    """Share of the target probability spread over all labels, or over the yes and no of each."""
    class_weight: Literal["none", "balanced"] = "none"
    """How much a text counts: all alike, or each class as much as any other, whatever its number of texts; with
    several labels a text, the yes of each label as much as its no."""


@dataclass(frozen=True)
class TagSettings:
    """The tagger head."""

    dropout: float = bounded(0.3, 0.0, 0.95)
    """Dropout of a word's joined states."""
    bypass: bool = True
    """Add a linear model of hashed word, prefix, suffix and shape of the word and its neighbours, and their pairs."""
    bypass_rows: int = bounded(0, 0, 1 << 26)
    """Rows of the bypass's hash table; 0 lets the number of words decide."""
    bypass_least: int = bounded(2, 1, 1_000_000)
    """Features that occur less often in the training words are left out: once says nothing of new text."""
    bypass_dropout: float = bounded(0.4, 0.0, 0.95)
    """Chance that one lexical feature of one word is dropped."""
    bypass_rate: float = bounded(4.0, 0.01, 1000.0)
    """Learning rate of the bypass as a multiple of the rest's."""


@dataclass(frozen=True)
class GenerateSettings:
    """The language-model head and its truncated back-propagation."""

    rows: int = bounded(0, 0, 4096)
    """Contiguous rows the text is cut into, each read on where the last batch stopped; 0 lets its length decide."""
    window: int = bounded(32, 2, 65536)
    """Tokens of back-propagation; states are carried beyond, gradients are not."""
    restart: float = bounded(0.02, 0.0, 1.0)
    """Chance that a row starts anew at a window, as a text does: without a past, from a boundary."""
    negatives: int = bounded(1024, 0, 1_000_000)
    """Vocabulary entries that a training step scores beside those that occur in it, drawn anew each time; each counts
    for its share of all others. 0 scores all, as does a vocabulary that is not much larger."""


@dataclass(frozen=True)
class TransferSettings:
    """Going on from another bundle."""

    head: Literal["auto", "keep", "new"] = "auto"
    """Whether the head of that bundle goes on beside its encoder: auto where the new data name some of its labels, keep
    also where they name none, new never."""
    rate_decay: float = bounded(1.0, 0.0, 1.0)
    """Learning rate of an encoder that was taken over, where a head is new: each layer's as a multiple of that of the
    one above it, the embedding's last (Howard and Ruder, 2018: 1/2.6)."""
    unfreeze: float = bounded(0.5, 0.0, 1.0)
    """Share of the training by whose end all of such an encoder learns: from the top down a layer is added at equal
    distances, the embedding last (gradual unfreezing, same source). 0 is all from the start."""
    retain: float = bounded(0.0, 0.0, 1.0)
    """Share of the weights that were taken over in those that are validated and saved: 0 is what was learned, 1 what
    was there (WiSE-FT; Wortsman et al., 2022). It is of the encoder, and of what learns step by step in a head that
    goes on without new labels. Above 0, the other heads of the bundle stay."""
    language_loss: float = bounded(0.0, 0.0, 100.0)
    """How much the nats a token of a language model of the same texts count beside the loss of a classifier or tagger
    (Chronopoulou et al., 2019); it begins as that of the bundle, if it has one, and is not saved."""
    adapt_epochs: int = bounded(0, 0, 100_000)
    """Most passes over the text of `--adapt-on`; 0 lets its length decide."""
    adapt_share: float = bounded(0.5, 0.01, 0.99)
    """Its share of a budget."""
    replay: float = bounded(1.0, 0.0, 1e6)
    """Most records that are replayed, as a multiple of the new training records."""


@dataclass(frozen=True)
class TrainSettings:
    """Optimisation."""

    epochs: int = bounded(0, 0, 100_000)
    """Most passes over the training records; 0 lets the budget decide, or their number."""
    budget: float = bounded(0.0, 0.0, 1e9)
    """Seconds that training may take; 0 sets no limit. The schedule ends with budget or epochs, whichever is first."""
    batch_tokens: int = bounded(0, 0, 10_000_000)
    """Most token places (padding included) in a batch of texts or sentences; 0 lets their number decide."""
    accumulate: int = bounded(1, 1, 100_000)
    """Batches whose gradients make one step, where one batch that large does not fit into memory."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """How gradients move the weights: AdamW (Loshchilov and Hutter, 2019), or plain SGD; with `average_after`, SGD is
    NT-ASGD (Merity et al., 2018). Rate and weight decay have other defaults with SGD."""
    learning_rate: float = bounded(2e-3, 1e-8, 1000.0)
    """Peak step size."""
    warmup: float = bounded(0.05, 0.0, 1.0)
    """Share of the training in which the rate rises from 0 to its peak."""
    decay: Literal["cosine", "linear", "constant", "plateau"] = "cosine"
    """How the rate falls after the warm-up, to 1 % of the peak; plateau halves it at each validation without a better
    score."""
    weight_decay: float = bounded(0.01, 0.0, 10.0)
    """Weight decay of the matrices, times the rate at each step."""
    average: float = bounded(0.99, 0.0, 0.99999)
    """Decay of the running average of the weights that is validated and saved; 0 takes the last weights."""
    average_after: int = bounded(0, 0, 100_000)
    """Validations without a better score after which the plain mean of all weights from then on is taken, instead of
    the running average (Merity et al., 2018); 0 is never."""
    clip: float = bounded(1.0, 1e-6, 1e6)
    """Largest norm of the gradient."""
    adversarial: float = bounded(0.0, 0.0, 100.0)
    """How far the embedded tokens of a text are moved, all together, to where its loss grows fastest, as a multiple of
    the mean length of the vocabulary's embeddings; the loss is then the mean of both readings, at twice the time
    (Miyato et al., 2017). 0 reads once; a language model always does."""
    mixing: float = bounded(1.0, 0.0, 1.0)
    """Of heads that train together: each has its share of the tokens raised to this power; 1 is in proportion, 0 is all
    alike."""
    patience: int = bounded(5, 1, 100_000)
    """Validations without a better score after which training stops."""
    validations_per_epoch: int = bounded(1, 1, 1000)
    """Validations in one pass over the data."""
    validation_share: float = bounded(0.1, 0.001, 0.5)
    """Share of the records held out where no validation data are given."""
    validation_records: int = bounded(5000, 1, 1_000_000_000)
    """Most of them, so that validating takes no longer than training; of running text, a record has about 1,024
    characters."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the matrix products; auto takes bfloat16 where the processor has instructions for it, unless a
    short timing finds float32 clearly faster; what it finds is remembered for this machine."""
    report: bool = True
    """Write a page of curves, scores and the worst validation records beside the bundle."""
    seed: int = bounded(1, 0, 2**32 - 1)
    """Seed of every random choice."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU where there is one."""
    threads: int = bounded(0, 0, 1024)
    """CPU threads; 0 takes all cores."""


@dataclass(frozen=True)
class CheckpointSettings:
    """What a training that is cut short can go on from."""

    seconds: float = bounded(300.0, 0.0, 1e9)
    """Time between checkpoints, shorter at first where several processes train; 0 writes none for time's sake."""
    steps: int = bounded(0, 0, 1_000_000_000)
    """Steps between checkpoints; 0 writes none for steps' sake."""
    keep: int = bounded(2, 1, 1000)
    """Checkpoints that are kept; each holds the best weights so far as well."""


@dataclass(frozen=True)
class ExportSettings:
    """How the bundle is written, and the graphs that it runs on."""

    weights: WeightPrecision = "float32"
    """Precision of the weights, from which a training goes on and graphs can be made anew; graphs have their own.
    int8 is of wide matrices, with a scale for each row; the rest has half precision then."""
    precision: Literal["auto", "float32", "int8"] = "auto"
    """Arithmetic of its layers (with int8, tables have half precision); auto takes int8 where the validation score
    falls by no more than 0.2 points."""


@dataclass(frozen=True)
class Settings:
    """All settings of one training."""

    text: TextSettings = TextSettings()
    encoder: EncoderSettings = EncoderSettings()
    classify: ClassifySettings = ClassifySettings()
    tag: TagSettings = TagSettings()
    generate: GenerateSettings = GenerateSettings()
    transfer: TransferSettings = TransferSettings()
    train: TrainSettings = TrainSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    export: ExportSettings = ExportSettings()

    def as_dict(self) -> dict[str, dict[str, Setting]]:
        """Sections of plain values, as JSON and TOML hold them."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn (see `decoding.sampling`)."""

    max_tokens: int = bounded(200, 0, 1_000_000_000)
    """Most tokens of one sample."""
    temperature: float = bounded(0.8, 0.0, 100.0)
    """Divides the logits; 0 takes the likeliest token."""
    top_k: int = bounded(0, 0, 1_000_000)
    """Keep the k likeliest tokens; 0 keeps all."""
    top_p: float = bounded(1.0, 0.0, 1.0)
    """Keep the likeliest tokens that together hold this probability (Holtzman et al., 2020)."""
    min_p: float = bounded(0.0, 0.0, 1.0)
    """Keep tokens of at least this share of the likeliest one's probability (Nguyen et al., 2024)."""
    repetition_penalty: float = bounded(1.0, 0.01, 100.0)
    """Above 1, makes tokens of the last 64 less likely (Keskar et al., 2019)."""
    stop: tuple[str, ...] = ()
    """Texts before which a sample ends."""
    seed: int = bounded(1, 0, 2**32 - 1)
    """Seed of the draws."""

    def __post_init__(self) -> None:
        check_bounds(self, lambda name: "--" + name.replace("_", "-"))
        if not all(self.stop):
            raise UsageError("--stop", "found ''", expected="a text that is not empty")


TASK_DEFAULTS: dict[TaskName, dict[str, Setting]] = {
    "classify": {
        "encoder.embedding_dropout": 0.3,
        "train.patience": 15,  # n-grams answer well from the start, and the encoder needs its time to add to them
    },
    "tag": {
        "encoder.embedding_dropout": 0.1,
        "encoder.output_dropout": 0.5,
        "train.learning_rate": 3e-3,
    },
    "generate": {
        "encoder.hidden_size": 512,
        "encoder.input_dropout": 0.0,
        "encoder.output_dropout": 0.1,
        "train.learning_rate": 6e-3,
    },
}
"""Where a task wants other values than the dataclasses give."""
SGD_DEFAULTS: dict[TaskName, dict[str, Setting]] = {
    "classify": {"train.learning_rate": 1.0, "train.weight_decay": 1e-5},
    "tag": {"train.learning_rate": 2.0, "train.weight_decay": 1e-5},
    "generate": {"train.learning_rate": 4.0, "train.weight_decay": 1e-5},
}
"""And where SGD does; rate times decay is of the order of AdamW's."""
