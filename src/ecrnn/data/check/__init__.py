"""What is wrong with a folder of labelled images, before anything is trained on it. NumPy, SciPy and Pillow, no torch.

`folder_check` puts it together: `one_image` looks at each file, `survey` at all of them in bounded memory,
`near_duplicates` finds copies, `leaks` those that a split would part, `class_checks` what a class could be told by,
`suspect_labels` what a study's own predictions contradict. `findings` is what comes out.
"""
