"""Labels: from columns to encoded arrays, and what is known about them."""
