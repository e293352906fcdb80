"""The project's commands: they read options and call the library."""

import logging

# On import, fairseq tells of a package that only its speech tasks would use.
logging.getLogger("fairseq.tasks.text_to_speech").setLevel(logging.WARNING)
