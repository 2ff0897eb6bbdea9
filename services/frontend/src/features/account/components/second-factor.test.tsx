import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { session } from '@/lib/session';
import { admin, tokens } from '@/test/data';
import { renderAs } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { SecondFactor } from './second-factor';

const groups = ['JBSW', 'Y3DP', 'EHPK', '3PXP'];
const setup = { secret: groups.join(''), uri: `otpauth://totp/a?secret=${groups.join('')}` };
const codes = ['aaaa-1111', 'bbbb-2222'];

/** An API where `me` has the second factor or not; a confirmed code 123456 turns it on. */
function serve({ isOn }: { isOn: boolean }) {
  server.use(
    http.get(api('/auth/me'), () => HttpResponse.json({ ...admin, second_factor: isOn })),
    http.post(api('/auth/totp'), () => HttpResponse.json(setup)),
    http.post(api('/auth/totp/confirm'), async ({ request }) => {
      const { code } = (await request.json()) as { code: string };
      if (code !== '123456') return problem(422, 'second_factor_wrong', 'That code is wrong.');
      serve({ isOn: true });
      return HttpResponse.json({ recovery_codes: codes });
    }),
  );
  return { ...admin, second_factor: isOn };
}

beforeEach(() => session.begin(tokens('t0')));

describe('setting up a second factor', () => {
  async function begin() {
    renderAs(serve({ isOn: false }), <SecondFactor />);
    await userEvent.click(screen.getByRole('button', { name: 'Set up' }));
    return await screen.findByRole('textbox', { name: 'Code' });
  }

  test('the secret is shown as a picture and as text', async () => {
    await begin();
    expect(screen.getByRole('img', { name: /QR code/ })).toBeVisible();
    expect(screen.getByText(groups.join(' '))).toBeVisible();
  });

  test('a confirmed code turns it on; the recovery codes are shown once', async () => {
    await userEvent.type(await begin(), '123456{Enter}');
    const list = await screen.findByRole('list', { name: 'Recovery codes' });
    expect(
      within(list)
        .getAllByRole('listitem')
        .map((item) => item.textContent),
    ).toEqual(codes);
    await userEvent.click(screen.getByRole('button', { name: 'I have kept them' }));
    expect(screen.getByText('Signing in needs a code.')).toBeVisible();
    expect(screen.queryByText('aaaa-1111')).not.toBeInTheDocument();
  });

  test('recovery codes can be copied and downloaded', async () => {
    await userEvent.type(await begin(), '123456{Enter}');
    await userEvent.click(await screen.findByRole('button', { name: 'Copy' }));
    expect(await screen.findByRole('status')).toHaveTextContent('Copied.');
    expect(await navigator.clipboard.readText()).toBe('aaaa-1111\nbbbb-2222\n');

    let content: Promise<string> | undefined;
    vi.spyOn(URL, 'createObjectURL').mockImplementation((blob) => {
      content = (blob as Blob).text();
      return 'blob:codes';
    });
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(() => undefined);
    await userEvent.click(screen.getByRole('button', { name: 'Download' }));
    expect(await content).toBe('aaaa-1111\nbbbb-2222\n');
  });

  test('where copying is not allowed, the page says so', async () => {
    await userEvent.type(await begin(), '123456{Enter}');
    const copy = await screen.findByRole('button', { name: 'Copy' });
    vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new Error('denied'));
    await userEvent.click(copy);
    expect(await screen.findByRole('status')).toHaveTextContent('Download them instead');
  });

  test.each([
    ['12345', 'Enter the 6 digits that the app shows.'],
    ['000000', 'That code is wrong.'],
  ])('the code %s is refused at its field', async (code, words) => {
    const field = await begin();
    await userEvent.type(field, `${code}{Enter}`);
    await vi.waitFor(() => expect(field).toHaveAccessibleDescription(words));
  });

  test('it can be left half-way: nothing is on', async () => {
    await begin();
    await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
    expect(screen.getByRole('button', { name: 'Set up' })).toBeVisible();
  });

  test('why it can’t be set up is told', async () => {
    renderAs(serve({ isOn: false }), <SecondFactor />);
    server.use(http.post(api('/auth/totp'), () => problem(503, 'unavailable', 'Not now.')));
    await userEvent.click(screen.getByRole('button', { name: 'Set up' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('Not now.');
  });
});

describe('turning the second factor off', () => {
  async function fillAndSubmit() {
    renderAs(serve({ isOn: true }), <SecondFactor />);
    await userEvent.click(screen.getByRole('button', { name: 'Turn off' }));
    const dialog = within(screen.getByRole('dialog'));
    await userEvent.type(dialog.getByLabelText('Password'), 'right');
    await userEvent.type(dialog.getByRole('textbox', { name: 'Code' }), '123456');
    await userEvent.click(dialog.getByRole('button', { name: 'Turn off' }));
    return dialog;
  }

  test('password and code turn it off', async () => {
    const sent = vi.fn();
    server.use(
      http.delete(api('/auth/totp'), async ({ request }) => {
        sent(await request.json());
        serve({ isOn: false });
        return new HttpResponse(null, { status: 204 });
      }),
    );
    await fillAndSubmit();
    expect(await screen.findByRole('button', { name: 'Set up' })).toBeVisible();
    expect(sent).toHaveBeenCalledWith({ password: 'right', code: '123456' });
  });

  test('a wrong code is named at its field', async () => {
    server.use(
      http.delete(api('/auth/totp'), () => problem(422, 'second_factor_wrong', 'Wrong code.')),
    );
    const dialog = await fillAndSubmit();
    await vi.waitFor(() =>
      expect(dialog.getByRole('textbox', { name: 'Code' })).toHaveAccessibleDescription(
        'Wrong code.',
      ),
    );
  });
});
