// Menus and questions.

/** @typedef {{label: string, hint?: string, run: () => void}} MenuItem */

const menus = {
  /** The button whose menu is open. */
  opener: /** @type {HTMLElement | null} */ (null),
  /** The button whose menu was open when the pointer went down. A press outside of a menu closes it before the click. */
  pressed: /** @type {HTMLElement | null} */ (null),
};

/**
 * Opens a menu below a button, or closes it where it is open there.
 * @param {HTMLElement} opener
 * @param {MenuItem[]} items
 */
function openMenu(opener, items) {
  if (hasJustClosed(opener)) return;
  const menu = byId('menu');
  const made = items.map(({ label, hint, run }) => {
    const item = button(label, () => {
      menu.hidePopover();
      run();
    }, { role: 'menuitem', tabindex: -1 });
    if (hint) item.append(h('span', { class: 'dim' }, hint));
    return item;
  });
  menu.replaceChildren(...made);
  menu.setAttribute('aria-label', opener.ariaLabel ?? opener.firstChild?.textContent?.trim() ?? '');
  openBelow(opener, menu);
  made[0]?.focus();
}

/**
 * Opens something below a button, inside the window.
 * @param {HTMLElement} opener
 * @param {HTMLElement} popover
 */
function openBelow(opener, popover) {
  popover.showPopover();
  const [from, own] = [opener.getBoundingClientRect(), popover.getBoundingClientRect()];
  popover.style.left = `${Math.max(4, Math.min(from.left, innerWidth - own.width - 4))}px`;
  popover.style.top = `${Math.max(4, Math.min(from.bottom + 2, innerHeight - own.height - 4))}px`;
  opener.setAttribute('aria-expanded', 'true');
  menus.opener = opener;
  const close = () => {
    opener.removeAttribute('aria-expanded');
    menus.opener = null;
  };
  popover.addEventListener('beforetoggle', close, { once: true });
}

/**
 * Returns whether this press of the button has just closed what it had opened.
 * @param {HTMLElement} opener
 */
function hasJustClosed(opener) {
  return menus.pressed === opener;
}

/** Listens to the keys of menus. Escape and a click elsewhere close them by themselves. */
function startMenus() {
  document.addEventListener('pointerdown', () => (menus.pressed = menus.opener), true);
  document.addEventListener('click', () => (menus.pressed = null));
  const menu = byId('menu');
  menu.addEventListener('keydown', (event) => {
    const items = /** @type {HTMLElement[]} */ ([...menu.children]);
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const places = new Map([['ArrowDown', at + 1], ['ArrowUp', at - 1], ['Home', 0], ['End', items.length - 1]]);
    const to = places.get(event.key);
    if (to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length]?.focus();
  });
}

/**
 * Asks a question, and returns whether the answer is yes.
 * @param {string} title
 * @param {string} text
 * @param {string} yes what the button for yes says
 * @returns {Promise<boolean>}
 */
function question(title, text, yes) {
  const asked = /** @type {HTMLDialogElement} */ (byId('ask'));
  return new Promise((resolve) => {
    asked.replaceChildren(
      h('h2', { id: 'ask-title' }, title),
      h('p', {}, ...visible(text)),
      h('div', { class: 'line' }, button(yes, () => asked.close('yes'), { class: 'main' }), button('Cancel', () => asked.close('no'))),
    );
    asked.returnValue = '';
    asked.addEventListener('close', () => resolve(asked.returnValue === 'yes'), { once: true });
    asked.showModal();
  });
}

/**
 * Shows a text to copy by hand, where the browser does not let the page copy.
 * @param {string} text
 * @param {string} what
 */
function showText(text, what) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('ask'));
  const area = /** @type {HTMLTextAreaElement} */ (h('textarea', { readonly: true, rows: 12, 'aria-label': what }));
  area.value = text;
  dialog.replaceChildren(
    h('h2', { id: 'ask-title' }, `Copy the ${what} from here`),
    area,
    button('Close', () => dialog.close()),
  );
  dialog.showModal();
  area.select();
}
