"""Translation: a sentence in another language."""

from ecrnn.core.tasks import Card, Task

TASK = Task(
    name="translation",
    metric="bleu",
    examples="sentences",
    pipeline="translation",
    use="ecrnn predict {bundle} --text 'A sentence.'",
    card=Card(
        what="A translator",
        each="a sentence of {length} tokens and as long a translation",
        command='ecrnn predict {folder} --text "..."',
        call='.translate(["..."])',
        limits="The figure holds for sentences like those of the data set. The model always writes something, also "
        "where it\ndid not understand a sentence.",
    ),
    settings="ecrnn.tasks.translation.settings:TranslationSettings",
    load="ecrnn.tasks.translation.data:load",
    prepare="ecrnn.tasks.translation.data:prepare",
    objective="ecrnn.tasks.translation.objective:Translation",
    predictor="ecrnn.tasks.translation.predictor:TranslationPredictor",
    random_batch="ecrnn.tasks.translation.objective:random_batch",
    inputs=("source_tokens", "tokens"),
    usual={"source_tokens": 8000, "tokens": 8000},
    small={"source_tokens": 17, "tokens": 13},
    parts=("vocabulary", "source_vocabulary", "length"),
    reads="texts",
    augmentations=(),
    writes="translation",
    data_sets=("multi30k-en-fr",),
    defaults={
        "split": "0.97",
        "tokens": "subwords",
        "vocabulary": 6000,
        "length": 80,
        "training": {"epochs": 10, "batch_size": 64, "schedule": "cosine", "clip_norm": 1.0},
    },
)
