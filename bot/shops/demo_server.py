"""The shop contract over HTTP, answered from any OrderBackend: the demo shop as a server of its own."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from bot.errors import ConfigurationError, ShopError, ShopGarbled, ShopRefused
from bot.orders.model import CustomerId, OrderNumber
from bot.orders.ports import OrderBackend
from bot.shops import wire

_T = TypeVar("_T")
_REFUSED = {"unknown": 404, "not_possible": 422}  # any other is about how things stand: 409


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

    @app.exception_handler(ShopRefused)
    def refused(_request: Request, error: ShopRefused) -> JSONResponse:
        return JSONResponse({"code": error.code, "detail": "not done"}, _REFUSED.get(error.code, 409))

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

    sent = Depends(_sent)

    @app.post("/orders/{number:path}/refunds")
    def refund(number: str, sent: tuple[str, object] = sent) -> JSONResponse:
        key, document = sent
        request = _request(lambda: wire.parse_refund_request(document, key, OrderNumber(number)))
        return JSONResponse(wire.refund_made_document(backend.refund(request), request.order), 201)

    @app.post("/orders/{number:path}/replacements")
    def replacement(number: str, sent: tuple[str, object] = sent) -> JSONResponse:
        key, document = sent
        request = _request(lambda: wire.parse_replacement_request(document, key, OrderNumber(number)))
        return JSONResponse(wire.replacement_made_document(backend.replace(request), request.order), 201)

    @app.post("/vouchers")
    def voucher_issue(sent: tuple[str, object] = sent) -> JSONResponse:
        key, document = sent
        request = _request(lambda: wire.parse_voucher_request(document, key))
        return JSONResponse(wire.voucher_document(backend.issue_voucher(request)), 201)

    @app.get("/vouchers/{code:path}")
    def voucher(code: str) -> JSONResponse:
        found = backend.voucher(code)
        return _answer(None if found is None else wire.voucher_document(found))

    @app.post("/customers/{customer:path}/points")
    def points(customer: str, sent: tuple[str, object] = sent) -> JSONResponse:
        key, document = sent
        request = _request(lambda: wire.parse_points_request(document, key, CustomerId(customer)))
        return JSONResponse(wire.points_document(request.customer, backend.add_points(request)), 201)

    return app


async def _sent(request: Request) -> tuple[str, object]:
    """The idempotency key and the JSON of a POST. Raises ShopRefused where either is missing."""
    key = request.headers.get("idempotency-key", "")
    if not wire.fit_key(key):
        raise ShopRefused("not_possible")
    try:
        return key, json.loads(await request.body())
    except (ValueError, RecursionError):
        raise ShopRefused("not_possible") from None


def _request(parse: Callable[[], _T]) -> _T:
    try:
        return parse()
    except ShopGarbled:  # the caller's mistake here, not the shop's
        raise ShopRefused("not_possible") from None


def _answer(document: dict[str, Any] | None) -> JSONResponse:
    if document is None:
        raise HTTPException(404, "not found")
    return JSONResponse(document)
