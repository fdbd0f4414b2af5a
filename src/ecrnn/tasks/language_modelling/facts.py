"""Language modelling: which character comes next."""

from ecrnn.core.tasks import Card, Task

LONGEST_BLOCK = 2**16  # characters

TASK = Task(
    name="next-token",
    metric="bits",
    examples="blocks",
    pipeline="text-generation",
    use="ecrnn generate {bundle} --prompt 'Once'",
    card=Card(
        what="A character model",
        each="a text of {length} characters",
        command='ecrnn generate {folder} --prompt "..."',
        call='.generate("...")',
        limits="The figure holds for text like that of the data set. What the model writes is invented.",
        text=("Input", "blocks of {length:,} "),
    ),
    settings="ecrnn.tasks.language_modelling.settings:BlockSettings",
    load="ecrnn.tasks.language_modelling.data:load",
    prepare="ecrnn.tasks.language_modelling.data:prepare",
    objective="ecrnn.tasks.language_modelling.objective:NextToken",
    predictor="ecrnn.tasks.language_modelling.predictor:LanguageModelPredictor",
    random_batch="ecrnn.tasks.language_modelling.objective:random_batch",
    has_validation="ecrnn.tasks.language_modelling.corpus:has_validation",
    inputs=("tokens",),
    usual={"tokens": 69},
    small={"tokens": 13},
    parts=("vocabulary", "length"),
    lengths=(2, LONGEST_BLOCK),
    reads="",
    augmentations=(),
    data_sets=("tiny-shakespeare",),
    defaults={
        "split": "0.9",
        "tokens": "characters",
        "length": 256,
        "training": {"epochs": 16, "batch_size": 32, "lr": 2e-3, "schedule": "cosine", "clip_norm": 1.0},
    },
)
