"""How a report is set: Markdown, HTML, LaTeX, CSV, a terminal, figures in SVG; and its files."""
