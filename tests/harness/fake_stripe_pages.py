"""The pages of the fake Stripe: where a customer pays, and the portal. Only HTML."""

import html

STYLE = ("body{font:16px/1.5 sans-serif;max-width:28em;margin:3em auto;padding:0 1em}"
         "button{font:inherit;margin:0 .5em .5em 0;padding:.4em 1em}input{font:inherit}")


def page(title, body):
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
            f"<body><h1>{html.escape(title)}</h1>{body}</body></html>").encode()


def amount_text(session):
    units, cents = divmod(session["amount_total"], 100)
    return f"{units:,}.{cents:02d} {session['currency'].upper()}"


def pay_page(session, failed):
    """The buttons of an open session; what became of one that is not."""
    if session["status"] != "open":
        return page("This payment is over", f"<p>It is {html.escape(session['status'])}.</p>")
    note = "<p role=alert>Your card was declined.</p>" if failed else ""
    cancel = session["cancel_url"]
    back = f'<p><a href="{html.escape(cancel)}">Go back</a></p>' if cancel else ""
    return page("Pay " + amount_text(session), f"""{note}
<p>Not a real payment: this Stripe is for development.</p>
<form method="post">
<p><label>Payment method <input name="payment_method" value="pm_card_visa"></label></p>
<button name="action" value="pay">Pay</button>
<button name="action" value="later">Pay later</button>
<button name="action" value="fail">Fail</button>
</form>{back}""")


def portal_page(portal, subscriptions):
    rows = "".join(f"<li>{html.escape(one['id'])}: {html.escape(one['status'])}</li>"
                   for one in subscriptions)
    back = portal["return_url"]
    link = f'<p><a href="{html.escape(back)}">Go back</a></p>' if back else ""
    return page("Customer portal", f"<p>Customer {html.escape(portal['customer'])}</p>"
                                   f"<ul>{rows}</ul>{link}")
