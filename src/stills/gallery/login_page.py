"""The page on which a browser logs in with an API key."""

from html import escape

from stills.gallery.document import Page, Visit, as_sentence, make_page


def render_login(
    root: str, target: str, *, message: str | None = None, retries: bool = False
) -> Page:
    """Return the page; `root` is the relative address of `/`, and `target` where to go from there.

    `retries` loads the page again at once: browsers keep our cookie back if a link of another site
    was clicked, but not if the page itself asks.
    """
    alert = f'<p class="alert" role="alert">{escape(as_sentence(message))}</p>' if message else ""
    content = f"""<main class="login">
<h1>Log in</h1>
{alert}
<form method="post" action="{root}login">
<input type="hidden" name="next" value="{escape(target)}">
<label for="key">API key</label>
<input id="key" name="key" type="password" required autofocus autocomplete="current-password" spellcheck="false" aria-describedby="key-hint">
<button class="main">Log in</button>
</form>
<p class="hint" id="key-hint">A key of this service, which begins with <code>stills_</code>. Its operator creates keys with <code>stills keys add</code>.</p>
</main>"""  # noqa: E501 - HTML
    return make_page("Log in", content, Visit(root), kind="login", retries=retries)
