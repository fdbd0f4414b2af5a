"""Clip classification: which of several classes the frames of a clip show."""

from ecrnn.core.tasks import Card, Task

TASK = Task(
    name="clip-classification",
    metric="accuracy",
    examples="clips",
    pipeline="video-classification",
    use="ecrnn evaluate {bundle} clips/",
    card=Card(
        what="A classifier of clips",
        each="a clip",
        command="ecrnn evaluate {folder} clips/",
        call=".predict(clips)",
        limits="The figure holds for clips like those of the data set. The model always answers with one of its "
        "classes, also for a\nclip of something else. The images' own licence applies to what is made from them.",
    ),
    settings="ecrnn.tasks.clip_classification.settings:ClipSettings",
    load="ecrnn.tasks.clip_classification.data:load",
    prepare="ecrnn.tasks.clip_classification.data:prepare",
    objective="ecrnn.tasks.clip_classification.objective:ClipClassification",
    predictor="ecrnn.tasks.clip_classification.predictor:ClipPredictor",
    random_batch="ecrnn.tasks.clip_classification.objective:random_batch",
    has_validation="ecrnn.tasks.clip_classification.clips:has_validation",
    export="ecrnn.tasks.clip_classification.export:ClipExport",
    inputs=("frames", "image", "classes"),
    usual={"frames": 8, "image": (1, 32, 32), "classes": 5},
    small={"frames": 3, "image": (1, 16, 16), "classes": 4},
    parts=("preprocessing", "frames"),
    classes=True,
    reads="",
    augmentations=(),
    data_sets=("moving",),
    defaults={"frames": 8, "training": {"batch_size": 32, "schedule": "cosine"}},
)
