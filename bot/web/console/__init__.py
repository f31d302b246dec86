"""The operator's page at /console: static files, which ask /api/v1 from the browser. No build step; start at main.js.

What members wrote reaches the page as text nodes only (dom.js), and the policy in routes.py forbids everything that
does not come from this server.
"""
