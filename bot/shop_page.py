"""The page at `/`: the shop, in Arabic or English, with the chat on it. Files are in web/shop, words beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import structlog
import yaml
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.conversations.ports import Clock
from bot.customers.identity import identity_token
from bot.errors import ShopError
from bot.formatting import Formatter
from bot.knowledge.service import placeholders
from bot.orders.model import CustomerId, Product
from bot.orders.ports import OrderBackend
from bot.settings import PROJECT

log = structlog.get_logger()

FOLDER = PROJECT / "web" / "shop"
STATIC = FOLDER / "static"  # served under /shop
_WORDS = PROJECT / "bot" / "content" / "shop_page.yml"
_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]+")


@dataclass(frozen=True)
class DemoSignIn:
    """Lets a stranger be one of the demo shop's customers; only where that shop is served."""

    secret: str


def create_router(shop: OrderBackend, clock: Clock, demo: DemoSignIn | None) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    page = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined).get_template(
        "index.html.j2"
    )
    words = yaml.safe_load(_WORDS.read_text("utf-8"))

    @router.get("/")
    async def home(request: Request) -> Response:
        language = "en" if request.query_params.get("lang") == "en" else "ar"
        try:
            context = await to_thread.run_sync(_context, shop, clock, words, language, demo is not None)
        except ShopError as error:
            log.warning("page.shop_failed", error=type(error).__name__)
            return HTMLResponse(_AWAY, 503, headers={"Retry-After": "10"})
        return HTMLResponse(page.render(context), headers=_headers(request))

    @router.post("/shop/identity")
    async def sign_in(request: Request) -> JSONResponse:
        if demo is None:
            return JSONResponse({"error": "off", "detail": "There is no demo shop here."}, 404)
        try:
            body = await request.json()
            customer = CustomerId(str(body["customer"]))
            known = customer in words["demo"]["customers"]
        except (ValueError, TypeError, KeyError):
            return JSONResponse({"error": "invalid", "detail": 'Send {"customer": id}.'}, 422)
        if not known:
            return JSONResponse({"error": "not_found", "detail": "The demo shop has no such customer."}, 404)
        return JSONResponse(
            {"token": identity_token(demo.secret, customer, clock())}, headers={"Cache-Control": "no-store"}
        )

    return router


def _context(shop: OrderBackend, clock: Clock, words: Any, language: str, demo: bool) -> dict[str, Any]:
    store, products = shop.store(), shop.products()
    figures = Formatter(language)
    filled = placeholders(store, shop.policies(), products, language)

    def shown(product: Product) -> dict[str, Any]:
        art = f"art/{product.sku}.svg"
        back = product.restock_on
        return {
            "sku": product.sku,
            "name": product.name[language],
            "price": figures.money(product.price, store.currency),
            "in_stock": product.stock > 0,
            "restock": figures.date(back, clock().astimezone(store.timezone).date()) if back else None,
            "category": product.category,
            "art": f"/shop/{art}" if (STATIC / art).is_file() else "/shop/art/generic.svg",
        }

    return {
        "language": language,
        "other": "en" if language == "ar" else "ar",
        "shop": {
            "name": store.name,
            "phone": store.support_phone,
            "email": store.support_email,
            "address": store.address,
            "hours": figures.hours(store.support_hours),
        },
        "products": [shown(product) for product in products],
        "policies": [
            {
                "icon": policy["icon"],
                "title": policy["title"][language],
                "text": policy["text"][language].format_map(filled),
            }
            for policy in words["policies"]
            if all(name in filled for name in re.findall(r"{(\w+)}", policy["text"][language]))
        ],
        "demo": _demo(shop, words, language) if demo else None,
        "widget": {"src": "/widget.js"},
    }


def _demo(shop: OrderBackend, words: Any, language: str) -> dict[str, Any]:
    customers = [shop.customer(CustomerId(customer)) for customer in words["demo"]["customers"]]
    return {
        "orders": [{**order, "about": order["about"][language]} for order in words["demo"]["orders"]],
        "customers": [{"id": c.id, "name": c.name[language]} for c in customers if c],
    }


def _headers(request: Request) -> dict[str, str]:
    host = request.headers.get("Host", "")
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""  # Safari's 'self' holds no sockets
    return {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self'{sockets}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Cache-Control": "no-cache",
    }


_AWAY = """<!doctype html><html lang="ar" dir="rtl"><meta charset="utf-8"><title>ثقة · Thiqa</title>
<p>المتجر لا يجيب الآن. نرجو المحاولة بعد قليل.</p><p lang="en" dir="ltr">The shop does not answer right now. Please try again shortly.</p></html>"""
