// A sponsor whose key is in a wallet of their own, here the node's: the page gives PSBTs out and takes them back signed, and
// what could spend money is kept out of it, however it is pasted.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { axe } from '../lib/axe.mjs';
import { screenshots } from '../lib/pictures.mjs';
import { carrying, recordSent } from '../lib/sent.mjs';
import {
  assertNoAddress, indexOf, openCheckout, readPayment, saveFile, untilSecured, untilState,
} from '../lib/sponsor.mjs';
import { Wallet } from '../lib/wallet.mjs';

const AMOUNT = 70_000;
// Keys that everybody knows: of BIP32's first test vector, and the number one.
const XPRV = 'xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi';
const WIF = 'cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA';
const MAINNET_WIF = 'KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn';
const PHRASE = 'legal winner thank year wave sausage worth useful legal winner thank yellow';

/** To the step that asks for the wallet's key. */
async function openWalletStep(page, base, task, amount_sat) {
  await openCheckout(page, base, task);
  await page.locator('#amount').fill(String(amount_sat));
  await page.locator('input[name=keys][value=wallet]').check();
  await page.locator('#amount-form button[type=submit]').click();
  await page.locator('#step-wallet').waitFor();
}

/** The pledge's words as a PSBT, for a key and an address that are given now. */
async function askForWords(page, key, refundAddress) {
  await page.locator('#wallet-key').fill(key);
  await page.locator('#wallet-refund').fill(refundAddress);
  await page.locator('#wallet-form button[type=submit]').click();
  await page.locator('#sign-psbt').waitFor();
  return page.locator('#sign-psbt').inputValue();
}

async function bringWords(page, signed) {
  await page.locator('#signed-text').fill(signed);
  await page.locator('#signed-form button[type=submit]').click();
}

/** All parts of the refund that is to be signed now, as the page's text file has them. */
async function refundParts(page) {
  await page.locator('#refund-form').waitFor();
  const { text } = await saveFile(page, page.getByRole('button', { name: 'Save as text, one a line' }));
  return text.trim().split('\n');
}

async function bringRefund(page, { text = '', files = [] }) {
  await page.locator('#refund-signed').fill(text);
  await page.locator('#refund-files').setInputFiles(files);
  await page.getByRole('button', { name: 'Secure the refund' }).click();
}

export default function fill(test) {
  test('pledge, refund and second payment are signed by the node\'s wallet, and its refunds go home at T', async (t) => {
    const { stage } = t;
    const wallet = await Wallet.make(stage.node, 'sponsor-signs');
    const [{ text: key, key: xOnly }, home] = [await wallet.key(), await wallet.address()];
    const task = await stage.newTask({ title: 'Pay by a wallet' });
    const page = await t.page();
    await openWalletStep(page, stage.url, task, AMOUNT);
    await axe(page);
    await screenshots(page, 'checkout-wallet');
    const words = await askForWords(page, key, home);
    const said = await page.locator('#sign-words').innerText();
    for (const part of [task.id, xOnly, home]) assert.ok(said.includes(part), `${part} is not among the words that are signed`);
    await axe(page);
    await screenshots(page, 'checkout-wallet-sign');
    // The file is the same PSBT.
    const file = await saveFile(page, page.locator('#wallet-sign').getByRole('button', { name: 'Save as a file' }));
    assert.equal(readFileSync(file.path).toString('base64'), words);

    // Another wallet's answer is one without a signature: said in words, and nothing goes on.
    const stranger = (await stage.node.rpc('walletprocesspsbt', words)).psbt;
    for (const [given, told] of [[stranger, /without a signature/], ['cHNidP8B', /./], ['hello', /./]]) {
      await bringWords(page, given);
      await page.locator('#signed-text-error', { hasText: told }).waitFor();
      await page.locator('#signed-form button[type=submit]:not([disabled])').waitFor();
      await page.locator('#signed-text-error').evaluate((error) => { error.textContent = ''; });
    }
    assert.equal(await page.locator('#wallet-file').isVisible(), false);
    assert.deepEqual((await stage.service.get(`/api/v1/tasks/${task.id}/pledges`)).items, []);
    await bringWords(page, await wallet.signStatement(words));
    await page.locator('#wallet-file').waitFor();
    await assertNoAddress(page);
    assert.equal(await page.locator('#wallet-file-done').isVisible(), false, 'the address is offered before the file is saved');
    const saved = await saveFile(page, page.locator('#wallet-file-save'));
    assert.deepEqual([saved.file.sponsor_key, saved.file.refund_address], [xOnly, home]);
    assert.deepEqual([saved.file.phrase ?? null, saved.file.private_descriptor ?? null], [null, null], 'a secret has passed through');
    await page.locator('#wallet-file-done').click();
    const payment = await readPayment(page);
    assert.equal(payment.amount_sat, AMOUNT);
    const index = indexOf(page);
    assert.equal((await stage.pledgeView(task, index)).address, payment.address);

    const txid = await stage.pay(payment.address, AMOUNT);
    await untilState(page, 'seen');
    const parts = await refundParts(page);
    assert.equal(parts.length, 8, 'the pair and seven rungs');
    await axe(page);
    await screenshots(page, 'checkout-wallet-refund');
    const signed = await wallet.signRefund(parts);
    for (const [given, told] of [[parts.join('\n'), /signature/], [signed.slice(0, 3).join('\n'), /of 7 rungs/], [signed.slice(1).join('\n'), /the pair is not among them/]]) {
      await bringRefund(page, { text: given });
      await page.locator('#refund-signed-error', { hasText: told }).waitFor();
    }
    assert.equal((await stage.pledgeView(task, index)).outpoints[0].secured, false);
    await bringRefund(page, { text: signed.join('\n') });
    await untilSecured(page);
    await page.locator('#refund-form').waitFor({ state: 'detached' });
    const first = await stage.node.outpoint(txid, payment.address);
    let view = await stage.pledgeIs(task, index, 'is secured', ({ outpoints }) => outpoints[0].secured);
    assert.deepEqual(view.outpoints.map(({ outpoint, pair_only: pairOnly }) => [outpoint, pairOnly]), [[first, false]]);

    // Paid twice: the second refund is the pair alone, brought back as a file.
    const again = await stage.pay(payment.address, AMOUNT + 1_000);
    const second = await stage.node.outpoint(again, payment.address);
    const [pair] = await wallet.signRefund((await refundParts(page)).slice(0, 1));
    const path = stage.file('pair.psbt');
    writeFileSync(path, Buffer.from(pair, 'base64'));
    await bringRefund(page, { files: [path] });
    await page.locator('#pledge-payments [data-security="secured_pair_only"]', { hasText: 'at the operator\'s cost only' }).waitFor();
    view = await stage.pledgeView(task, index);
    assert.deepEqual(view.outpoints.map(({ outpoint, secured, pair_only: pairOnly }) => [outpoint, secured, pairOnly]).sort(),
      [[first, true, false], [second, true, true]].sort());
    await stage.mine(1);
    await untilState(page, 'credited_secured');

    // What the wallet signed is what brings the money back, without anybody's key.
    await stage.pastRefundTime(task);
    await untilState(page, 'refunding');
    await stage.eventually('both refunds are in the mempool', async () => {
      const { outpoints } = await stage.pledgeView(task, index);
      return outpoints.every(({ ended }) => ended);
    });
    await stage.mine(1);
    await untilState(page, 'refunded');
    // The pair pays all of its own out, and the operator the fee.
    assert.ok(await stage.node.unspent(home) > 2 * AMOUNT, String(await stage.node.unspent(home)));
  });

  test('private keys and phrases in the wallet\'s fields are refused in words, taken out, and in no request', async (t) => {
    const { stage } = t;
    const wallet = await Wallet.make(stage.node, 'sponsor-slips');
    const [{ text: key, key: xOnly }, home] = [await wallet.key(), await wallet.address()];
    const task = await stage.newTask();
    const page = await t.page();
    const sent = recordSent(page);
    await openWalletStep(page, stage.url, task, AMOUNT);
    const tprv = await wallet.extendedPrivateKey();
    const secrets = [XPRV, WIF, MAINNET_WIF, PHRASE, tprv, `${key.slice(0, key.indexOf(']') + 1)}${tprv}`, `${PHRASE.toUpperCase()}\n`, PHRASE.split(' ').slice(0, 8).join(' ')];
    const submit = page.locator('#wallet-form button[type=submit]');
    for (const field of ['wallet-key', 'wallet-refund']) {
      for (const secret of secrets) {
        const other = field === 'wallet-key' ? 'wallet-refund' : 'wallet-key';
        await page.locator(`#${other}`).fill(other === 'wallet-key' ? key : home);
        await page.locator(`#${field}`).fill(secret);
        assert.match(await page.locator(`#${field}-error`).innerText(), /private key or a recovery phrase.*sent nowhere/, `${field}: ${secret.slice(0, 12)}`);
        assert.equal(await page.locator(`#${field}`).inputValue(), '', `${field} still holds ${secret.slice(0, 12)}`);
        // Nothing is left that could go on; the words about it make room for what is missing now.
        await submit.click();
        await page.locator(`#${field}-error`, { hasNotText: /sent nowhere/ }).waitFor();
        assert.equal(await page.locator('#sign-psbt').count(), 0);
      }
      await page.locator(`#${field}`).fill('');
    }
    // A field that a script or the browser filled has no input event: the button looks again.
    await page.locator('#wallet-refund').fill(home);
    await page.locator('#wallet-key').evaluate((input, value) => { input.value = value; }, XPRV);
    await submit.click();
    await page.locator('#wallet-key-error', { hasText: /sent nowhere/ }).waitFor();
    assert.equal(await page.locator('#wallet-key').inputValue(), '');
    // Where the signed words come back, too.
    const words = await askForWords(page, key, home);
    for (const secret of secrets) {
      await page.locator('#signed-text').fill(secret);
      assert.match(await page.locator('#signed-text-error').innerText(), /sent nowhere/, secret.slice(0, 12));
      assert.equal(await page.locator('#signed-text').inputValue(), '');
      await page.locator('#signed-form button[type=submit]').click();
      await page.locator('#signed-text-error', { hasNotText: /sent nowhere/ }).waitFor();
    }
    await bringWords(page, await wallet.signStatement(words));
    await page.locator('#wallet-file').waitFor();
    // The record sees what is sent: the public key is in it, and none of the others.
    assert.equal(carrying(sent, xOnly).filter(({ method }) => method === 'POST').length, 1);
    for (const secret of secrets) assert.deepEqual(carrying(sent, secret.trim()), [], secret.slice(0, 12));
    assert.equal(await page.evaluate(() => Object.keys(localStorage).length + Object.keys(sessionStorage).length), 0);
    for (const secret of [XPRV, WIF, PHRASE, tprv]) assert.equal((await page.content()).includes(secret), false, 'it stands in the page');
  });
}
