"""Text recognition: the text on an image of one line."""

from ecrnn.core.tasks import Card, Task

TASK = Task(
    name="transcription",
    metric="cer",
    examples="images",
    pipeline="image-to-text",
    use="ecrnn predict {bundle} image.png",
    card=Card(
        what="A reader of lines of text",
        each="an image",
        command="ecrnn predict {folder} line.png",
        call='.read(["line.png"])',
        limits="The figure holds for images like those of the data set. What the model reads on others, and what it "
        "makes of letters\nthat are not in its alphabet, means nothing. The images' own licence applies to what is "
        "made from them.",
        pixels="lines {height} pixels high, of any width, grey",
    ),
    settings="ecrnn.tasks.text_recognition.settings:LineSettings",
    load="ecrnn.tasks.text_recognition.data:load",
    prepare="ecrnn.tasks.text_recognition.data:prepare",
    objective="ecrnn.tasks.text_recognition.objective:Transcription",
    predictor="ecrnn.tasks.text_recognition.predictor:TextLinePredictor",
    random_batch="ecrnn.tasks.text_recognition.objective:random_batch",
    has_validation="ecrnn.tasks.text_recognition.lines:has_validation",
    export="ecrnn.tasks.text_recognition.export:LineExport",
    inputs=("image", "tokens"),
    usual={"image": (1, 32, 128), "tokens": 40},
    small={"image": (1, 16, 48), "tokens": 13},
    parts=("preprocessing", "vocabulary"),
    any_width=True,
    writes="text",
    augmentations=("crop", "shift"),
    data_sets=("captcha",),
    defaults={
        "split": "0.9",
        "training": {
            "epochs": 30,
            "batch_size": 8,
            "lr": 2e-3,
            "schedule": "cosine",
            "clip_norm": 5.0,
            "augment": "crop",
            "precision": "float32",  # in bfloat16 CTC's plateau is several times as long (docs/log.md)
        },
    },
)
