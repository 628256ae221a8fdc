"""What the pages have for the sake of doctest, and readers of the site need not see."""


def on_page_markdown(markdown: str, **kwargs: object) -> str:
    return markdown.replace("<BLANKLINE>", "").replace("```python\n>>> ", "```pycon\n>>> ")
