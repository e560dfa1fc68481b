// Small comforts. Every page works without this file.
"use strict";

// A screen reader starts at what went wrong.
document.querySelector(".summary")?.focus();

// A secret behind the # of a link belongs into the field that asks for it.
const secret = document.querySelector("input[name=token]:not([type=hidden])");
if (secret && location.hash.length > 32) {
  secret.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  document.querySelector("input[name=name]")?.focus();
}

// Show what was typed.
for (const input of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "peek";
  button.textContent = "Show";
  button.setAttribute("aria-controls", input.id);
  const say = () => button.setAttribute("aria-label", `${button.textContent} password`);
  say();
  button.addEventListener("click", () => {
    const hidden = input.type === "password";
    input.type = hidden ? "text" : "password";
    button.textContent = hidden ? "Hide" : "Show";
    say();
  });
  // Password managers look at the type when the form is sent.
  input.form?.addEventListener("submit", () => { input.type = "password"; });
  input.after(button);
}

// How far the password is from what the rules ask. The server decides.
for (const input of document.querySelectorAll("input[data-min]")) {
  const min = Number(input.dataset.min);
  const classes = input.dataset.classes === "yes"
    ? [[/\p{Lu}/u, "an upper-case letter"], [/\p{Ll}/u, "a lower-case letter"],
       [/\p{Nd}/u, "a digit"], [/[^\p{L}\p{Nd}\s]/u, "a special character"]]
    : [];
  const box = document.createElement("div");
  box.className = "strength";
  box.hidden = true;
  const meter = Object.assign(document.createElement("meter"), { min: 0, max: 4, low: 2, high: 3, optimum: 4 });
  meter.setAttribute("aria-hidden", "true");
  const text = document.createElement("span");
  text.setAttribute("role", "status");
  box.append(meter, text);
  input.closest(".field").append(box);
  input.addEventListener("input", () => {
    const typed = [...input.value];
    const missing = classes.filter(([test]) => !test.test(input.value)).map(([, name]) => name);
    if (typed.length < min) missing.unshift(`${min - typed.length} more character${min - typed.length > 1 ? "s" : ""}`);
    const long = typed.length >= min + 6 && new Set(typed).size > 7;
    box.hidden = typed.length === 0;
    meter.value = missing.length ? Math.max(1, 3 - missing.length) : long ? 4 : 3;
    text.textContent = missing.length ? `Still needs ${missing.join(", ")}` : long ? "Strong" : "Good";
  });
}

// One click, one request.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-disabled", "true");
  });
}
// … also after "back" has brought the page out of the browser's cache.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});
