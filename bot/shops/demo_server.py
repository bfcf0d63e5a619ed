"""The shop contract over HTTP, answered from any OrderBackend: the demo shop as a server of its own."""

from __future__ import annotations

import hmac
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from bot.errors import ConfigurationError, ShopError
from bot.orders.model import CustomerId, OrderNumber
from bot.orders.ports import OrderBackend
from bot.shops import wire


def create_demo_shop_app(backend: OrderBackend, token: str) -> FastAPI:
    """An ASGI application that serves docs/shop-openapi.yaml from `backend` to who bears `token`.

    Raises ConfigurationError for an empty token, which would let everybody in.
    """
    if not token:
        raise ConfigurationError("THIQA_SHOP_TOKEN", "the demo shop needs a token", "Set it to a long random text.")

    def check(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Compared in constant time, so that the time taken tells nothing about the token.
        same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
        if scheme.lower() != "bearer" or not same:
            raise HTTPException(401, "a valid bearer token is needed", {"WWW-Authenticate": "Bearer"})

    # redirect_slashes: an order number may end in a slash, and a redirect is an answer outside the contract.
    app = FastAPI(
        title="Thiqa demo shop",
        dependencies=[Depends(check)],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )

    @app.exception_handler(ShopError)
    def unavailable(_request: Request, _error: ShopError) -> JSONResponse:
        return JSONResponse({"detail": "the shop's records cannot be read"}, 503)

    @app.get("/store")
    def store() -> JSONResponse:
        return JSONResponse(wire.store_document(backend.store(), backend.policies()))

    @app.get("/products")
    def products() -> JSONResponse:
        return JSONResponse([wire.product_document(product) for product in backend.products()])

    # `:path`: a number or an id may hold a slash.
    @app.get("/orders/{number:path}")
    def order(number: str) -> JSONResponse:
        found = backend.order(OrderNumber(number))
        return _answer(None if found is None else wire.order_document(found))

    @app.get("/orders")
    def orders(customer: str) -> JSONResponse:
        return JSONResponse([wire.order_document(order) for order in backend.orders_of(CustomerId(customer))])

    @app.get("/customers/{customer:path}")
    def customer(customer: str) -> JSONResponse:
        found = backend.customer(CustomerId(customer))
        return _answer(None if found is None else wire.customer_document(found))

    return app


def _answer(document: dict[str, Any] | None) -> JSONResponse:
    if document is None:
        raise HTTPException(404, "not found")
    return JSONResponse(document)
