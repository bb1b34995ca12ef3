"""`run.html`: one page that says what a run was asked, what came out, and what is served."""
