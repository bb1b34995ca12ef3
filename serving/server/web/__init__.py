"""The server's own pages: a form to try the models, and the description of its REST API."""
