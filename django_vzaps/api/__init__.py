"""The REST API: everything the admin can do, for programs. Mount :mod:`django_vzaps.api.urls`."""
