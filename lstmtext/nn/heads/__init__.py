"""The heads, one a task: `HEADS` names the class that a task trains."""

from lstmtext.config import TaskName
from lstmtext.nn.heads.classifier import Classifier
from lstmtext.nn.heads.language_model import LanguageModel
from lstmtext.nn.heads.tagger import Tagger

Head = Classifier | Tagger | LanguageModel

HEADS: dict[TaskName, type[Head]] = {"classify": Classifier, "tag": Tagger, "generate": LanguageModel}
