"""Captioning: a sentence that says what an image shows."""

from ecrnn.core.tasks import Card, Task

TASK = Task(
    name="captioning",
    metric="bleu",
    examples="images",
    pipeline="image-to-text",
    use="ecrnn predict {bundle} image.png",
    card=Card(
        what="A writer of captions",
        each="an image and a caption of {length} tokens",
        command="ecrnn predict {folder} photo.png",
        call='.caption(["photo.png"])',
        limits="The figure holds for images like those of the data set. The model always writes something, also "
        "where it\nshows something that it never saw. The images' own licence applies to what is made from them.",
    ),
    settings="ecrnn.tasks.captioning.settings:CaptionSettings",
    load="ecrnn.tasks.captioning.data:load",
    prepare="ecrnn.tasks.captioning.data:prepare",
    objective="ecrnn.tasks.captioning.objective:Captioning",
    predictor="ecrnn.tasks.captioning.predictor:CaptionPredictor",
    random_batch="ecrnn.tasks.captioning.objective:random_batch",
    inputs=("image", "tokens"),
    usual={"image": (3, 96, 96), "tokens": 4000},
    small={"image": (3, 32, 32), "tokens": 13},
    parts=("preprocessing", "vocabulary", "length"),
    writes="caption",
    augmentations=("flip", "crop", "rotate", "colour", "cutout", "mirror", "shift"),
    data_sets=("flickr8k",),
    defaults={
        "split": "0.9",
        "tokens": "words",
        "vocabulary": 2500,
        "length": 30,
        "training": {"epochs": 12, "batch_size": 16, "schedule": "cosine", "clip_norm": 1.0, "augment": "flip"},
    },
)
