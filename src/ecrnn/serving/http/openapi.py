"""The server's addresses in OpenAPI 3.1, for tools that make or try clients."""

from __future__ import annotations

from typing import Any

from ecrnn.serving.http.bodies import FORM, RAW

_ERROR = {
    "description": "Why not, in one line.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_REASONS = {
    "400": "A length that is said in two ways.",
    "401": "Without the token.",
    "413": "Too many bytes.",
    "415": "Another type than an image or a form.",
    "421": "Asked for under another name.",
    "422": "No image that can be read, or a wrong parameter.",
    "429": "Too much is waiting.",
    "503": "The server is stopping.",
    "504": "Not within the time.",
}


def description_of(version: str, *, token: bool) -> dict[str, Any]:
    """The document; ``token``: whether requests must carry one."""
    image = {
        "required": True,
        "content": {
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in RAW},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    "required": ["file"],
                }
            },
        },
    }
    top = {"name": "top", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}}
    name = {"in": "query", "schema": {"type": "string"}}
    one = {"$ref": "#/components/schemas/Answer"}
    several = {
        "type": "object",
        "properties": {"images": {"type": "array", "items": {"anyOf": [one, {"$ref": "#/components/schemas/Failed"}]}}},
        "required": ["images"],
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "ecrnn", "version": version, "description": "A trained image classifier."},
        "paths": {
            "/predict": {
                "post": {
                    "summary": "Class and probabilities of an image, or of each file of a form.",
                    "parameters": [top],
                    "requestBody": image,
                    "responses": _responses({"anyOf": [one, several]}),
                }
            },
            "/explain": {
                "post": {
                    "summary": "Which pixels count, and whether the map can be trusted.",
                    "parameters": [{**name, "name": "class"}, {**name, "name": "against"}],
                    "requestBody": image,
                    "responses": _responses({"$ref": "#/components/schemas/Explained"}),
                }
            },
            "/model": {"get": {"summary": "What the model is.", "responses": _responses({"type": "object"})}},
            "/health": {"get": {"summary": "Alive.", "responses": _responses({"type": "object"})}},
            "/ready": {"get": {"summary": "The model answers.", "responses": _responses({"type": "object"})}},
            "/metrics": {
                "get": {"summary": "Counts for Prometheus.", "responses": _responses({"type": "string"}, "text/plain")}
            },
        },
        "components": {"schemas": _SCHEMAS},
    }
    if token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _responses(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    good = {"description": "The answer.", "content": {kind: {"schema": schema}}}
    return {"200": good} | {status: _ERROR | {"description": reason} for status, reason in _REASONS.items()}


_SCHEMAS: dict[str, Any] = {
    "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
    "Answer": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "class": {"type": ["string", "null"]},
            "rejected": {"type": "boolean"},
            "probabilities": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}},
        },
        "required": ["name", "class", "probabilities"],
    },
    "Failed": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "status": {"type": "integer"}, "error": {"type": "string"}},
        "required": ["name", "status", "error"],
    },
    "Explained": {
        "type": "object",
        "properties": {
            "class": {"type": "string"},
            "against": {"type": ["string", "null"]},
            "probability": {"type": "number"},
            "layer": {"type": ["string", "null"]},
            "maps": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "title": {"type": "string"},
                        "values": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                        "faults": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["title", "values", "faults"],
                },
            },
        },
        "required": ["class", "against", "probability", "layer", "maps"],
    },
}
