"""What a visitor reads when something goes wrong."""

import functools
import html
import inspect
from collections.abc import Callable

import gradio as gr
from absl import logging

from attr2image_tf.client import ServerError

# To a tab that outlives what the server kept for it.
FORGOTTEN = "The page has forgotten what this tab was about: load it again, and give the photo again."


def in_words(function: Callable) -> Callable:
    """A function or generator function of a tab whose errors the page shows.

    A ValueError is what the visitor can mend, in the model's own words. A server that is not there is named. Anything
    else is a mistake of this program, with its trace in the log and without it on the page.
    """
    if inspect.isgeneratorfunction(function):
        @functools.wraps(function)
        def wrapped(*arguments):
            try:
                yield from function(*arguments)
            except Exception as error:
                raise _shown(error) from None
    else:
        @functools.wraps(function)
        def wrapped(*arguments):
            try:
                return function(*arguments)
            except Exception as error:
                raise _shown(error) from None
    return wrapped


def _shown(error):
    if isinstance(error, (ValueError, ServerError)):
        message = str(error)
    else:
        logging.error("The page failed.", exc_info=error)
        message = "The page made a mistake, of which its log says more."
    # The page takes messages for HTML.
    return gr.Error(html.escape(message), print_exception=False)
