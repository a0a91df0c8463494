"""What people see: styles, pages to share and the web front end."""
