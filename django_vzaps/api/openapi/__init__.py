"""What the API is, as OpenAPI 3.1: for those who have drf-spectacular installed (the extra ``openapi``).

:mod:`django_vzaps.api.urls` puts the description on the views where drf-spectacular is there; without it the API is
the same, and not described. The project sets drf-spectacular up as its documentation says: it goes into
``INSTALLED_APPS``, ``DEFAULT_SCHEMA_CLASS`` names it, and ``SPECTACULAR_SETTINGS`` say ``"OAS_VERSION": "3.1.0"``.
"""
