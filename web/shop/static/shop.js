// The shop page: opens the chat, copies questions to paste into it, and signs demo customers in.
// The chat's own script comes before this one; where it is missing, the page says so.

const words = document.getElementById("words").dataset;
const say = (key, value = "") => words[key].replace("{}", () => value);
const each = (selector, use) => document.querySelectorAll(selector).forEach(use);

// ── A line at the top of the page ───────────────────────────────────────────────────────────────────────────

const toast = document.getElementById("toast");
let toastEnds;

function show(text) {
  toast.textContent = text;
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => (toast.textContent = ""), 12_000);
}

// ── Questions ───────────────────────────────────────────────────────────────────────────────────────────────

function openChat() {
  if (window.Thiqa) window.Thiqa.open();
  else show(say("noChat"));
  return Boolean(window.Thiqa);
}

async function ask(question) {
  let key = "copied";
  try {
    await navigator.clipboard.writeText(question); // before the chat takes the focus
  } catch {
    key = "notCopied"; // refused, or a page without https
  }
  if (openChat()) show(say(key, question));
}

each("[data-open-chat]", (button) => button.addEventListener("click", openChat));
each("[data-question]", (button) => button.addEventListener("click", () => ask(button.dataset.question)));

// ── Signing in as a demo customer ───────────────────────────────────────────────────────────────────────────

const state = document.getElementById("sign-in-state");
if (state) {
  const KEY = "shop:customer"; // who is signed in, for the next page and the other tabs
  const account = document.getElementById("account-name");
  const leave = document.getElementById("sign-out");
  const buttons = [...document.querySelectorAll("[data-customer]")];
  const nameOf = (id) => buttons.find((button) => button.dataset.customer === id)?.querySelector(".customer-name").textContent;
  let current = null;
  let busy = false;

  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const remember = (id) => {
    try {
      if (id) localStorage.setItem(KEY, id);
      else localStorage.removeItem(KEY);
    } catch {
      // No storage: this page still knows.
    }
  };

  function display(id, text = id ? say("signedIn", nameOf(id)) : say("nobody")) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.customer === id));
    account.textContent = id ? nameOf(id) : say("signIn");
    if (!id && document.activeElement === leave) document.getElementById("sign-in").focus();
    leave.hidden = !id;
    state.textContent = text;
  }

  async function tokenFor(id) {
    let answer;
    try {
      answer = await fetch("/shop/identity", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ customer: id }),
      });
    } catch {
      throw new Error("offline");
    }
    if (answer.status === 404) throw new Error("unknown");
    return (await answer.json()).token;
  }

  /** `id` null signs out. */
  async function change(id) {
    if (busy) return;
    if (!window.Thiqa) return void (state.textContent = say("noChat"));
    busy = true;
    state.textContent = say(id ? "signingIn" : "signingOut");
    const slow = setTimeout(() => (state.textContent = say("slow")), 8_000);
    try {
      const token = id && (await tokenFor(id));
      await window.Thiqa.identify(token);
      remember(id);
      current = id;
      display(id);
    } catch (error) {
      const known = ["offline", "unknown"].includes(error.message);
      display(current, say(known ? error.message : id ? "refused" : "stayed"));
    } finally {
      clearTimeout(slow);
      busy = false;
    }
  }

  for (const button of buttons) button.addEventListener("click", () => change(button.dataset.customer));
  leave.addEventListener("click", () => change(null));
  addEventListener("storage", ({ key, newValue }) => {
    if (key === KEY) display((current = nameOf(newValue) ? newValue : null)); // the chat follows by itself
  });
  if (window.Thiqa && nameOf(remembered())) change(remembered());
}
